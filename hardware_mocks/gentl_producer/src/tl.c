#include "producer.h"

#include <string.h>

GC_ERROR answer_system(gc_number command, GC_ANSWER) {
    char path[1024];
    const char *name;
    switch (command) {
    case TL_INFO_ID: return answer_text(type, memory, size, SYSTEM_ID);
    case TL_INFO_VENDOR: return answer_text(type, memory, size, PRODUCER_VENDOR);
    case TL_INFO_MODEL: return answer_text(type, memory, size, PRODUCER_MODEL);
    case TL_INFO_VERSION: return answer_text(type, memory, size, PRODUCER_VERSION);
    case TL_INFO_TLTYPE: return answer_text(type, memory, size, library.config.tl_type);
    case TL_INFO_NAME:
    case TL_INFO_PATHNAME:
        library_path(path, sizeof path);
        name = strrchr(path, '/');
        if (strrchr(path, '\\') > name) name = strrchr(path, '\\');
        return answer_text(type, memory, size, command == TL_INFO_PATHNAME || !name ? path : name + 1);
    case TL_INFO_DISPLAYNAME: return answer_text(type, memory, size, "Mock GenTL producer of rheed-acquire");
    case TL_INFO_CHAR_ENCODING: return answer_int32(type, memory, size, CHAR_ENCODING_UTF8);
    case TL_INFO_GENTL_VER_MAJOR: return answer_uint32(type, memory, size, 1);
    case TL_INFO_GENTL_VER_MINOR: return answer_uint32(type, memory, size, 5);
    default: return fail(GC_ERR_NOT_IMPLEMENTED, "system info command %d is not known", (int)command);
    }
}

static GC_ERROR open_system(gc_handle *system) {
    if (!system) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the handle is NULL");
    if (library.system) return fail(GC_ERR_RESOURCE_IN_USE, "the system is open");
    library.system = handle_create(HANDLE_SYSTEM, &library);
    if (!library.system) return fail(GC_ERR_OUT_OF_MEMORY, "no memory for a handle");
    library.interface_listed = false;
    *system = library.system;
    return GC_ERR_SUCCESS;
}

GC_API TLOpen(gc_handle *system) { ENTERED(open_system(system)); }

GC_ERROR system_close(void) {
    gc_handle system = library.system;
    library.system = NULL;
    handle_remove(system); /* first: closing the children may wait, and nobody else may come here then */
    events_close_source(system);
    interface_close();
    return GC_ERR_SUCCESS;
}

static bool is_system(gc_handle system) { return handle_object(system, HANDLE_SYSTEM) != NULL; }

GC_API TLClose(gc_handle system) { ENTERED(is_system(system) ? system_close() : GC_ERR_INVALID_HANDLE); }

GC_API TLGetInfo(gc_handle system, gc_number command, GC_ANSWER) {
    ENTERED(is_system(system) ? answer_system(command, type, memory, size) : GC_ERR_INVALID_HANDLE);
}

static GC_ERROR update_list(gc_handle system, bool8_t *changed) {
    if (!is_system(system)) return GC_ERR_INVALID_HANDLE;
    if (changed) *changed = !library.interface_listed;
    library.interface_listed = true;
    return GC_ERR_SUCCESS;
}

GC_API TLUpdateInterfaceList(gc_handle system, bool8_t *changed, uint64_t timeout_ms) {
    (void)timeout_ms; /* the list is there at once */
    ENTERED(update_list(system, changed));
}

static GC_ERROR count_interfaces(gc_handle system, uint32_t *count) {
    if (!is_system(system)) return GC_ERR_INVALID_HANDLE;
    if (!count) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the count is NULL");
    *count = library.interface_listed ? 1 : 0;
    return GC_ERR_SUCCESS;
}

GC_API TLGetNumInterfaces(gc_handle system, uint32_t *count) { ENTERED(count_interfaces(system, count)); }

static GC_ERROR interface_id(gc_handle system, uint32_t index, char *id, size_t *size) {
    if (!is_system(system)) return GC_ERR_INVALID_HANDLE;
    if (index != 0 || !library.interface_listed)
        return fail(GC_ERR_INVALID_INDEX, "no interface %u in the list (TLUpdateInterfaceList makes it)", index);
    return give_text(id, size, INTERFACE_ID);
}

GC_API TLGetInterfaceID(gc_handle system, uint32_t index, char *id, size_t *size) {
    ENTERED(interface_id(system, index, id, size));
}

static GC_ERROR check_id(gc_handle system, const char *id) {
    if (!is_system(system)) return GC_ERR_INVALID_HANDLE;
    if (!id) return fail(GC_ERR_INVALID_PARAMETER, "the interface id is NULL");
    if (!library.interface_listed || strcmp(id, INTERFACE_ID) != 0)
        return fail(GC_ERR_INVALID_ID, "no interface %.80s in the list (TLUpdateInterfaceList makes it)", id);
    return GC_ERR_SUCCESS;
}

static GC_ERROR interface_info(gc_handle system, const char *id, gc_number command, GC_ANSWER) {
    GC_ERROR result = check_id(system, id);
    return result == GC_ERR_SUCCESS ? answer_interface(command, type, memory, size) : result;
}

GC_API TLGetInterfaceInfo(gc_handle system, const char *id, gc_number command, GC_ANSWER) {
    ENTERED(interface_info(system, id, command, type, memory, size));
}

static GC_ERROR open_interface(gc_handle system, const char *id, gc_handle *interface_) {
    GC_ERROR result = check_id(system, id);
    return result == GC_ERR_SUCCESS ? interface_open(interface_) : result;
}

GC_API TLOpenInterface(gc_handle system, const char *id, gc_handle *interface_) {
    ENTERED(open_interface(system, id, interface_));
}
