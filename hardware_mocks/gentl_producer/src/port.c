#include "producer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct description *description_of(int kind) {
    switch (kind) {
    case HANDLE_SYSTEM: return &system_description;
    case HANDLE_INTERFACE: return &interface_description;
    case HANDLE_DEVICE: return &device_description;
    case HANDLE_STREAM: return &stream_description;
    default: return &remote_description;
    }
}

struct document {
    const unsigned char *text;
    size_t size;
};

static struct document xml_of(int kind, void *object) {
    const struct description *description = description_of(kind);
    const struct device *device = kind == HANDLE_REMOTE ? object : NULL;
    if (device && device->xml) return (struct document){device->xml, device->xml_size};
    return (struct document){description->xml, description->xml_size};
}

static GC_ERROR read_xml(struct document xml, uint64_t offset, void *memory, size_t size) {
    /* Some consumers round the size up to a multiple of 4. */
    uint64_t limit = (xml.size + 7) / 8 * 8;
    if (offset > limit || size > limit - offset) return fail(GC_ERR_INVALID_ADDRESS, "beyond the end of the XML");
    memset(memory, 0, size);
    if (offset < xml.size) {
        size_t rest = xml.size - (size_t)offset;
        memcpy(memory, xml.text + offset, size < rest ? size : rest);
    }
    return GC_ERR_SUCCESS;
}

static GC_ERROR read_port(gc_handle port, uint64_t address, void *memory, size_t *size) {
    void *object = handle_object(port, HANDLE_PORTS);
    if (!object) return GC_ERR_INVALID_HANDLE;
    if (!memory || !size || *size == 0)
        return fail(GC_ERR_INVALID_PARAMETER, "the buffer or its size is NULL or 0");
    int kind = handle_kind_of(port);
    const struct description *description = description_of(kind);
    if (kind == HANDLE_REMOTE && device_alive(object) != GC_ERR_SUCCESS) return GC_ERR_IO;
    if (address >= XML_ADDRESS) return read_xml(xml_of(kind, object), address - XML_ADDRESS, memory, *size);
    int id = register_find(description, address, *size);
    if (id < 0)
        return fail(GC_ERR_INVALID_ADDRESS, "no register holds %zu bytes from 0x%" PRIx64, *size, address);
    const struct register_entry *entry = &description->entries[id];
    if (!(entry->flags & REGISTER_READ))
        return fail(GC_ERR_ACCESS_DENIED, "register 0x%" PRIx64 " can only be written", address);
    if (kind == HANDLE_REMOTE) {
        struct device *device = object;
        remote_refresh(device);
        memcpy(memory, device->memory + address, *size);
        return GC_ERR_SUCCESS;
    }
    uint8_t value[1024] = {0};
    GC_ERROR result = own_read(kind, object, id, value);
    if (result == GC_ERR_SUCCESS) memcpy(memory, value + (address - entry->address), *size);
    return result;
}

GC_API GCReadPort(gc_handle port, uint64_t address, void *memory, size_t *size) {
    ENTERED(read_port(port, address, memory, size));
}

static GC_ERROR write_value(int kind, void *object, int id, const void *memory, size_t size) {
    const struct register_entry *entry = &description_of(kind)->entries[id];
    uint8_t value[1024] = {0};
    memcpy(value, memory, size);
    if (entry->kind == KIND_STRING && !memchr(value, 0, entry->length))
        return fail(GC_ERR_INVALID_VALUE, "a text of %u bytes without its end", (unsigned)entry->length);
    if (kind == HANDLE_REMOTE) return remote_written(object, id, value);
    int64_t number;
    memcpy(&number, value, sizeof number);
    if ((double)number < entry->low || (double)number > entry->high)
        return fail(GC_ERR_INVALID_VALUE, "%" PRId64 " is outside %g to %g", number, entry->low, entry->high);
    return own_write(kind, object, id, number);
}

static GC_ERROR write_port(gc_handle port, uint64_t address, const void *memory, size_t *size) {
    void *object = handle_object(port, HANDLE_PORTS);
    if (!object) return GC_ERR_INVALID_HANDLE;
    if (!memory || !size || *size == 0)
        return fail(GC_ERR_INVALID_PARAMETER, "the buffer or its size is NULL or 0");
    int kind = handle_kind_of(port);
    const struct description *description = description_of(kind);
    if (kind == HANDLE_REMOTE) {
        struct device *device = object;
        if (device_alive(device) != GC_ERR_SUCCESS) return GC_ERR_IO;
        if (device->access == DEVICE_ACCESS_READONLY)
            return fail(GC_ERR_ACCESS_DENIED, "the device was opened for reading only");
    }
    if (address >= XML_ADDRESS) return fail(GC_ERR_ACCESS_DENIED, "the XML cannot be written");
    int id = register_find(description, address, *size);
    const struct register_entry *entry = id < 0 ? NULL : &description->entries[id];
    if (!entry || entry->address != address || (entry->kind != KIND_STRING && *size != entry->length))
        return fail(GC_ERR_INVALID_ADDRESS, "no register of %zu bytes at 0x%" PRIx64, *size, address);
    if (!(entry->flags & REGISTER_WRITE))
        return fail(GC_ERR_ACCESS_DENIED, "register 0x%" PRIx64 " can only be read", address);
    return write_value(kind, object, id, memory, *size);
}

GC_API GCWritePort(gc_handle port, uint64_t address, const void *memory, size_t *size) {
    ENTERED(write_port(port, address, memory, size));
}

/* Stops at the first entry that fails; `count` says how many did not. */
static GC_ERROR stacked(gc_handle port, struct port_stack_entry *entries, size_t *count, bool write) {
    if (!handle_object(port, HANDLE_PORTS)) return GC_ERR_INVALID_HANDLE;
    if (!entries || !count) return fail(GC_ERR_INVALID_PARAMETER, "the entries or their count is NULL");
    size_t wanted = *count;
    for (*count = 0; *count < wanted; (*count)++) {
        struct port_stack_entry entry;
        memcpy(&entry, &entries[*count], sizeof entry);
        GC_ERROR result = write ? write_port(port, entry.address, entry.memory, &entry.size)
                                : read_port(port, entry.address, entry.memory, &entry.size);
        if (result != GC_ERR_SUCCESS) return result;
    }
    return GC_ERR_SUCCESS;
}

GC_API GCReadPortStacked(gc_handle port, struct port_stack_entry *entries, size_t *count) {
    ENTERED(stacked(port, entries, count, false));
}

GC_API GCWritePortStacked(gc_handle port, struct port_stack_entry *entries, size_t *count) {
    ENTERED(stacked(port, entries, count, true));
}

static struct device *device_of(int kind, void *object) {
    if (kind == HANDLE_STREAM) return ((struct stream *)object)->device;
    return kind == HANDLE_DEVICE || kind == HANDLE_REMOTE ? object : NULL;
}

static GC_ERROR port_info(gc_handle port, gc_number command, GC_ANSWER) {
    void *object = handle_object(port, HANDLE_PORTS);
    if (!object) return GC_ERR_INVALID_HANDLE;
    int kind = handle_kind_of(port);
    struct device *device = device_of(kind, object);
    switch (command) {
    case PORT_INFO_ID:
        return answer_text(type, memory, size,
                           kind == HANDLE_SYSTEM      ? SYSTEM_ID
                           : kind == HANDLE_INTERFACE ? INTERFACE_ID
                           : kind == HANDLE_STREAM    ? STREAM_ID
                                                      : device->id);
    case PORT_INFO_VENDOR: return answer_text(type, memory, size, device ? device->config.vendor : PRODUCER_VENDOR);
    case PORT_INFO_MODEL: return answer_text(type, memory, size, device ? device->config.model : PRODUCER_MODEL);
    case PORT_INFO_TLTYPE: return answer_text(type, memory, size, library.config.tl_type);
    case PORT_INFO_MODULE:
        return answer_text(type, memory, size,
                           kind == HANDLE_SYSTEM      ? "TLSystem"
                           : kind == HANDLE_INTERFACE ? "TLInterface"
                           : kind == HANDLE_STREAM    ? "TLDataStream"
                           : kind == HANDLE_DEVICE    ? "TLDevice"
                                                      : "Device");
    case PORT_INFO_LITTLE_ENDIAN: return answer_bool(type, memory, size, true);
    case PORT_INFO_BIG_ENDIAN: return answer_bool(type, memory, size, false);
    case PORT_INFO_ACCESS_READ: return answer_bool(type, memory, size, true);
    case PORT_INFO_ACCESS_WRITE:
        return answer_bool(type, memory, size,
                           kind != HANDLE_REMOTE || device->access != DEVICE_ACCESS_READONLY);
    case PORT_INFO_ACCESS_NA: return answer_bool(type, memory, size, kind == HANDLE_REMOTE && device->dead);
    case PORT_INFO_ACCESS_NI: return answer_bool(type, memory, size, false);
    case PORT_INFO_VERSION: return answer_text(type, memory, size, PRODUCER_VERSION);
    case PORT_INFO_PORTNAME: return answer_text(type, memory, size, description_of(kind)->port);
    default: return fail(GC_ERR_NOT_IMPLEMENTED, "port info command %d is not known", (int)command);
    }
}

GC_API GCGetPortInfo(gc_handle port, gc_number command, GC_ANSWER) {
    ENTERED(port_info(port, command, type, memory, size));
}

static GC_ERROR url_info(gc_handle port, uint32_t index, gc_number command, GC_ANSWER) {
    void *object = handle_object(port, HANDLE_PORTS);
    if (!object) return GC_ERR_INVALID_HANDLE;
    if (index != 0) return fail(GC_ERR_INVALID_INDEX, "the port has one URL, none of index %u", index);
    int kind = handle_kind_of(port);
    const char *file = description_of(kind)->file;
    size_t length = xml_of(kind, object).size;
    char url[200];
    switch (command) {
    case URL_INFO_URL:
        snprintf(url, sizeof url, "local:%s;%" PRIX64 ";%zX?SchemaVersion=1.1.0", file, XML_ADDRESS, length);
        return answer_text(type, memory, size, url);
    case URL_INFO_SCHEMA_VER_MAJOR:
    case URL_INFO_SCHEMA_VER_MINOR:
    case URL_INFO_FILE_VER_MAJOR: return answer_int32(type, memory, size, 1);
    case URL_INFO_FILE_VER_MINOR:
    case URL_INFO_FILE_VER_SUBMINOR: return answer_int32(type, memory, size, 0);
    case URL_INFO_FILE_SHA1_HASH: return fail(GC_ERR_NOT_AVAILABLE, "no hash of the XML is kept");
    case URL_INFO_FILE_REGISTER_ADDRESS: return answer_uint64(type, memory, size, XML_ADDRESS);
    case URL_INFO_FILE_SIZE: return answer_uint64(type, memory, size, length);
    case URL_INFO_SCHEME: return answer_int32(type, memory, size, 0);
    case URL_INFO_FILENAME: return answer_text(type, memory, size, file);
    default: return fail(GC_ERR_NOT_IMPLEMENTED, "URL info command %d is not known", (int)command);
    }
}

GC_API GCGetPortURLInfo(gc_handle port, uint32_t index, gc_number command, GC_ANSWER) {
    ENTERED(url_info(port, index, command, type, memory, size));
}

GC_API GCGetPortURL(gc_handle port, char *url, size_t *size) {
    ENTERED(url_info(port, 0, URL_INFO_URL, NULL, url, size));
}

static GC_ERROR count_urls(gc_handle port, uint32_t *count) {
    if (!handle_object(port, HANDLE_PORTS)) return GC_ERR_INVALID_HANDLE;
    if (!count) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the count is NULL");
    *count = 1;
    return GC_ERR_SUCCESS;
}

GC_API GCGetNumPortURLs(gc_handle port, uint32_t *count) { ENTERED(count_urls(port, count)); }
