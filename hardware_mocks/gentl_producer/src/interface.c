#include "producer.h"

#include <stdio.h>
#include <string.h>

static bool is_interface(gc_handle interface_) { return handle_object(interface_, HANDLE_INTERFACE) != NULL; }

GC_ERROR answer_interface(gc_number command, GC_ANSWER) {
    switch (command) {
    case INTERFACE_INFO_ID: return answer_text(type, memory, size, INTERFACE_ID);
    case INTERFACE_INFO_DISPLAYNAME: return answer_text(type, memory, size, "Mock interface 0");
    case INTERFACE_INFO_TLTYPE: return answer_text(type, memory, size, library.config.tl_type);
    default: return fail(GC_ERR_NOT_IMPLEMENTED, "interface info command %d is not known", (int)command);
    }
}

GC_ERROR interface_open(gc_handle *interface_) {
    if (!interface_) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the handle is NULL");
    if (library.interface_) return fail(GC_ERR_RESOURCE_IN_USE, "the interface is open");
    library.interface_ = handle_create(HANDLE_INTERFACE, &library);
    if (!library.interface_) return fail(GC_ERR_OUT_OF_MEMORY, "no memory for a handle");
    for (int i = 0; i < library.config.device_count; i++) library.devices[i].listed = false;
    *interface_ = library.interface_;
    return GC_ERR_SUCCESS;
}

void interface_close(void) {
    gc_handle interface_ = library.interface_;
    if (!interface_) return;
    library.interface_ = NULL;
    handle_remove(interface_);
    events_close_source(interface_);
    for (int i = 0; i < library.config.device_count; i++)
        if (library.devices[i].handle) device_close(&library.devices[i]);
}

static GC_ERROR close_interface(gc_handle interface_) {
    if (!is_interface(interface_)) return GC_ERR_INVALID_HANDLE;
    interface_close();
    return GC_ERR_SUCCESS;
}

GC_API IFClose(gc_handle interface_) { ENTERED(close_interface(interface_)); }

GC_API IFGetInfo(gc_handle interface_, gc_number command, GC_ANSWER) {
    ENTERED(is_interface(interface_) ? answer_interface(command, type, memory, size) : GC_ERR_INVALID_HANDLE);
}

bool interface_update(void) {
    bool changed = false;
    for (int i = 0; i < library.config.device_count; i++) {
        bool present = device_is_present(&library.devices[i]);
        changed |= present != library.devices[i].listed;
        library.devices[i].listed = present;
    }
    return changed;
}

static GC_ERROR update_list(gc_handle interface_, bool8_t *changed) {
    if (!is_interface(interface_)) return GC_ERR_INVALID_HANDLE;
    bool has_changed = interface_update();
    if (changed) *changed = has_changed;
    return GC_ERR_SUCCESS;
}

GC_API IFUpdateDeviceList(gc_handle interface_, bool8_t *changed, uint64_t timeout_ms) {
    (void)timeout_ms; /* the list is there at once */
    ENTERED(update_list(interface_, changed));
}

struct device *interface_device_at(int64_t index) {
    for (int i = 0; i < library.config.device_count; i++) {
        struct device *device = &library.devices[i];
        if (!device->listed) continue;
        if (index < device->config.listings) return device;
        index -= device->config.listings;
    }
    return NULL;
}

/* One that is listed more than once, as by two network ports, has an id of its own for each. */
static int64_t listing_at(uint32_t index) {
    int64_t left = index;
    for (int i = 0; i < library.config.device_count; i++) {
        const struct device *device = &library.devices[i];
        if (!device->listed) continue;
        if (left < device->config.listings) break;
        left -= device->config.listings;
    }
    return left;
}

static GC_ERROR count_devices(gc_handle interface_, uint32_t *count) {
    if (!is_interface(interface_)) return GC_ERR_INVALID_HANDLE;
    if (!count) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the count is NULL");
    uint32_t found = 0;
    while (interface_device_at(found)) found++;
    *count = found;
    return GC_ERR_SUCCESS;
}

GC_API IFGetNumDevices(gc_handle interface_, uint32_t *count) { ENTERED(count_devices(interface_, count)); }

static GC_ERROR device_id(gc_handle interface_, uint32_t index, char *id, size_t *size) {
    if (!is_interface(interface_)) return GC_ERR_INVALID_HANDLE;
    struct device *device = interface_device_at(index);
    if (!device) return fail(GC_ERR_INVALID_INDEX, "no device %u in the list (IFUpdateDeviceList makes it)", index);
    char text[100];
    int64_t listing = listing_at(index);
    if (listing == 0) return give_text(id, size, device->id);
    snprintf(text, sizeof text, "%s@%d", device->id, (int)listing);
    return give_text(id, size, text);
}

GC_API IFGetDeviceID(gc_handle interface_, uint32_t index, char *id, size_t *size) {
    ENTERED(device_id(interface_, index, id, size));
}

static GC_ERROR find_device(gc_handle interface_, const char *id, struct device **found) {
    if (!is_interface(interface_)) return GC_ERR_INVALID_HANDLE;
    if (!id) return fail(GC_ERR_INVALID_PARAMETER, "the device id is NULL");
    for (int i = 0; i < library.config.device_count; i++) {
        *found = &library.devices[i];
        size_t length = strlen((*found)->id);
        if ((*found)->listed && strncmp((*found)->id, id, length) == 0 && (id[length] == '\0' || id[length] == '@'))
            return GC_ERR_SUCCESS;
    }
    return fail(GC_ERR_INVALID_ID, "no device %.80s in the list (IFUpdateDeviceList makes it)", id);
}

static GC_ERROR device_info(gc_handle interface_, const char *id, gc_number command, GC_ANSWER) {
    struct device *device;
    GC_ERROR result = find_device(interface_, id, &device);
    return result == GC_ERR_SUCCESS ? answer_device(device, command, type, memory, size) : result;
}

GC_API IFGetDeviceInfo(gc_handle interface_, const char *id, gc_number command, GC_ANSWER) {
    ENTERED(device_info(interface_, id, command, type, memory, size));
}

static GC_ERROR open_device(gc_handle interface_, const char *id, gc_number access, gc_handle *handle) {
    struct device *device;
    GC_ERROR result = find_device(interface_, id, &device);
    return result == GC_ERR_SUCCESS ? device_open(device, access, handle) : result;
}

GC_API IFOpenDevice(gc_handle interface_, const char *id, gc_number access, gc_handle *device) {
    ENTERED(open_device(interface_, id, access, device));
}

static GC_ERROR parent_system(gc_handle interface_, gc_handle *system) {
    if (!is_interface(interface_)) return GC_ERR_INVALID_HANDLE;
    if (!system) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the handle is NULL");
    *system = library.system;
    return GC_ERR_SUCCESS;
}

GC_API IFGetParentTL(gc_handle interface_, gc_handle *system) { ENTERED(parent_system(interface_, system)); }
