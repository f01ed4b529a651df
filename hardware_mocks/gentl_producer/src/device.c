#include "producer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct plug plugs[DEVICES_MAX];

void device_create(struct device *device, int number) {
    device->config = library.config.devices[number];
    device->number = number;
    device->plug = &plugs[number];
    if (strcmp(device->plug->serial, device->config.serial) != 0) { /* another device than last time */
        memset(device->plug, 0, sizeof *device->plug);
        snprintf(device->plug->serial, sizeof device->plug->serial, "%s", device->config.serial);
    }
    snprintf(device->id, sizeof device->id, "rheed_mock_%.63s", device->config.serial);
    snprintf(device->user_id, sizeof device->user_id, "%s", device->config.user_id);
    device->stream.device = device;
    if (device->config.rename[0])
        device->xml = xml_renamed(&remote_description, device->config.rename, &device->xml_size);
    device->clock_origin = clock_ns();
    condition_create(&device->wake);
    condition_create(&device->idle);
    remote_power_on(device);
}

void device_forget(struct device *device) {
    picture_release(&device->picture);
    free(device->scratch);
    free(device->xml);
    condition_destroy(&device->wake);
    condition_destroy(&device->idle);
}

bool device_is_present(struct device *device) {
    struct plug *plug = device->plug;
    if (plug->absent && clock_ns() >= plug->return_at) plug->absent = false;
    return !plug->absent;
}

GC_ERROR device_alive(struct device *device) {
    if (device->dead) return fail(GC_ERR_IO, "device %s was lost; close and open it again", device->config.serial);
    return GC_ERR_SUCCESS;
}

void device_lose(struct device *device, int64_t return_after_ms) {
    camera_stop(device);
    device->plug->absent = true;
    device->plug->return_at = return_after_ms > 0 ? clock_ns() + (uint64_t)return_after_ms * NS_PER_MS : FOREVER;
    device->dead = device->handle != NULL;
    static const char text[] = "device lost";
    int64_t serial = device->number;
    /* The error reaches whoever waits for errors of the device or the stream; the module event is what the
     * local device's XML calls EventDeviceLost. */
    events_fire(device->handle, EVENT_ERROR, (uint64_t)(int64_t)GC_ERR_IO, "-1010", text, sizeof text);
    events_fire(device->stream.handle, EVENT_ERROR, (uint64_t)(int64_t)GC_ERR_IO, "-1010", text, sizeof text);
    events_fire(device->handle, EVENT_MODULE, 0x9001, "9001", &serial, sizeof serial);
    remote_power_on(device);
}

gc_number device_access_status(struct device *device) {
    if (!device_is_present(device)) return ACCESS_STATUS_NOACCESS;
    if (!device->opened) return ACCESS_STATUS_READWRITE;
    return device->access == DEVICE_ACCESS_READONLY ? ACCESS_STATUS_OPEN_READONLY : ACCESS_STATUS_OPEN_READWRITE;
}

GC_ERROR answer_device(struct device *device, gc_number command, GC_ANSWER) {
    char text[200];
    switch (command) {
    case DEVICE_INFO_ID: return answer_text(type, memory, size, device->id);
    case DEVICE_INFO_VENDOR: return answer_text(type, memory, size, device->config.vendor);
    case DEVICE_INFO_MODEL: return answer_text(type, memory, size, device->config.model);
    case DEVICE_INFO_TLTYPE: return answer_text(type, memory, size, library.config.tl_type);
    case DEVICE_INFO_DISPLAYNAME:
        snprintf(text, sizeof text, "%s %s (%s)", device->config.vendor, device->config.model, device->config.serial);
        return answer_text(type, memory, size, text);
    case DEVICE_INFO_ACCESS_STATUS: return answer_int32(type, memory, size, device_access_status(device));
    case DEVICE_INFO_USER_DEFINED_NAME: return answer_text(type, memory, size, device->user_id);
    case DEVICE_INFO_SERIAL_NUMBER: return answer_text(type, memory, size, device->config.serial);
    case DEVICE_INFO_VERSION: return answer_text(type, memory, size, PRODUCER_VERSION);
    case DEVICE_INFO_TIMESTAMP_FREQUENCY: return answer_uint64(type, memory, size, NS_PER_S);
    default: return fail(GC_ERR_NOT_IMPLEMENTED, "device info command %d is not known", (int)command);
    }
}

GC_ERROR device_open(struct device *device, gc_number access, gc_handle *handle) {
    if (!handle) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the handle is NULL");
    if (access < DEVICE_ACCESS_READONLY || access > DEVICE_ACCESS_EXCLUSIVE)
        return fail(GC_ERR_INVALID_PARAMETER, "access %d is none of read-only, control, exclusive", (int)access);
    if (device->opened) return fail(GC_ERR_RESOURCE_IN_USE, "device %s is open", device->config.serial);
    if (!device_is_present(device)) return fail(GC_ERR_NOT_AVAILABLE, "device %s is gone", device->config.serial);
    device->handle = handle_create(HANDLE_DEVICE, device);
    device->remote = handle_create(HANDLE_REMOTE, device);
    device->quit = device->dead = false;
    device->access = access;
    device->opened = device->handle && device->remote && thread_start(&device->thread, acquisition_run, device);
    if (!device->opened) {
        handle_remove(device->handle);
        handle_remove(device->remote);
        device->handle = device->remote = NULL;
        return fail(GC_ERR_OUT_OF_MEMORY, "no memory for a handle or a thread");
    }
    *handle = device->handle;
    return GC_ERR_SUCCESS;
}

void device_wait_idle(struct device *device) {
    device->pins++;
    while (device->drawing) condition_wait_until(&device->idle, &library.lock, FOREVER);
    device->pins--;
    condition_wake_all(&device->idle);
}

/* Called with the lock, which it gives up for a while; `opened` keeps everybody else away until the end. */
void device_close(struct device *device) {
    gc_handle handle = device->handle, remote = device->remote;
    device->handle = device->remote = NULL;
    handle_remove(handle);
    handle_remove(remote);
    events_close_source(handle);
    events_close_source(remote);
    camera_stop(device);
    if (device->stream.handle) stream_close(&device->stream);
    device->quit = true;
    condition_wake_all(&device->wake);
    while (device->pins > 0) condition_wait_until(&device->idle, &library.lock, FOREVER);
    mutex_unlock(&library.lock);
    thread_join(device->thread);
    mutex_lock(&library.lock);
    remote_set_integer(device, REMOTE_TLParamsLocked, 0);
    picture_release(&device->picture);
    free(device->scratch);
    device->scratch = NULL;
    device->opened = device->dead = false;
    condition_wake_all(&library.closed);
}

static GC_ERROR close_device(gc_handle handle) {
    struct device *device = handle_object(handle, HANDLE_DEVICE);
    if (!device) return GC_ERR_INVALID_HANDLE;
    device_close(device);
    return GC_ERR_SUCCESS;
}

GC_API DevClose(gc_handle device) { ENTERED(close_device(device)); }

static GC_ERROR info(gc_handle handle, gc_number command, GC_ANSWER) {
    struct device *device = handle_object(handle, HANDLE_DEVICE);
    return device ? answer_device(device, command, type, memory, size) : GC_ERR_INVALID_HANDLE;
}

GC_API DevGetInfo(gc_handle device, gc_number command, GC_ANSWER) {
    ENTERED(info(device, command, type, memory, size));
}

static GC_ERROR port(gc_handle handle, gc_handle *port) {
    struct device *device = handle_object(handle, HANDLE_DEVICE);
    if (!device) return GC_ERR_INVALID_HANDLE;
    if (!port) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the handle is NULL");
    *port = device->remote;
    return GC_ERR_SUCCESS;
}

GC_API DevGetPort(gc_handle device, gc_handle *port_) { ENTERED(port(device, port_)); }

static GC_ERROR count_streams(gc_handle device, uint32_t *count) {
    if (!handle_object(device, HANDLE_DEVICE)) return GC_ERR_INVALID_HANDLE;
    if (!count) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the count is NULL");
    *count = 1;
    return GC_ERR_SUCCESS;
}

GC_API DevGetNumDataStreams(gc_handle device, uint32_t *count) { ENTERED(count_streams(device, count)); }

static GC_ERROR stream_id(gc_handle device, uint32_t index, char *id, size_t *size) {
    if (!handle_object(device, HANDLE_DEVICE)) return GC_ERR_INVALID_HANDLE;
    if (index != 0) return fail(GC_ERR_INVALID_INDEX, "the device has one stream, none of index %u", index);
    return give_text(id, size, STREAM_ID);
}

GC_API DevGetDataStreamID(gc_handle device, uint32_t index, char *id, size_t *size) {
    ENTERED(stream_id(device, index, id, size));
}

static GC_ERROR open_stream(gc_handle handle, const char *id, gc_handle *stream) {
    struct device *device = handle_object(handle, HANDLE_DEVICE);
    if (!device) return GC_ERR_INVALID_HANDLE;
    if (!id || !stream) return fail(GC_ERR_INVALID_PARAMETER, "the stream id or the pointer to the handle is NULL");
    if (strcmp(id, STREAM_ID) != 0) return fail(GC_ERR_INVALID_ID, "the stream is %s, not %.80s", STREAM_ID, id);
    GC_ERROR alive = device_alive(device);
    return alive == GC_ERR_SUCCESS ? stream_open(device, stream) : alive;
}

GC_API DevOpenDataStream(gc_handle device, const char *id, gc_handle *stream) {
    ENTERED(open_stream(device, id, stream));
}

static GC_ERROR parent_interface(gc_handle device, gc_handle *interface_) {
    if (!handle_object(device, HANDLE_DEVICE)) return GC_ERR_INVALID_HANDLE;
    if (!interface_) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the handle is NULL");
    *interface_ = library.interface_;
    return GC_ERR_SUCCESS;
}

GC_API DevGetParentIF(gc_handle device, gc_handle *interface_) { ENTERED(parent_interface(device, interface_)); }
