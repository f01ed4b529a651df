#include "producer.h"

#include <stdio.h>
#include <string.h>

static GC_ERROR put_number(uint8_t value[1024], int64_t number) {
    memcpy(value, &number, sizeof number);
    return GC_ERR_SUCCESS;
}

static GC_ERROR put_text(uint8_t value[1024], const char *text) {
    snprintf((char *)value, 256, "%s", text);
    return GC_ERR_SUCCESS;
}

static GC_ERROR read_system(int id, uint8_t value[1024]) {
    char path[256];
    switch (id) {
    case SYSTEM_TLID: return put_text(value, SYSTEM_ID);
    case SYSTEM_TLVendorName: return put_text(value, PRODUCER_VENDOR);
    case SYSTEM_TLModelName: return put_text(value, PRODUCER_MODEL);
    case SYSTEM_TLVersion: return put_text(value, PRODUCER_VERSION);
    case SYSTEM_TLPath:
        library_path(path, sizeof path);
        return put_text(value, path);
    case SYSTEM_TLType: return put_text(value, library.config.tl_type);
    case SYSTEM_GenTLVersionMajor: return put_number(value, 1);
    case SYSTEM_GenTLVersionMinor: return put_number(value, 5);
    case SYSTEM_InterfaceID: return put_text(value, INTERFACE_ID);
    default: return put_number(value, 0);
    }
}

static GC_ERROR read_interface(int id, uint8_t value[1024]) {
    struct device *device = interface_device_at(library.device_selector);
    int64_t count = 0;
    switch (id) {
    case INTERFACE_InterfaceID: return put_text(value, INTERFACE_ID);
    case INTERFACE_InterfaceType: return put_text(value, library.config.tl_type);
    case INTERFACE_DeviceSelector: return put_number(value, library.device_selector);
    case INTERFACE_DeviceSelectorMax:
        while (interface_device_at(count)) count++;
        return put_number(value, count > 0 ? count - 1 : 0);
    case INTERFACE_DeviceID: return put_text(value, device ? device->id : "");
    case INTERFACE_DeviceVendorName: return put_text(value, device ? device->config.vendor : "");
    case INTERFACE_DeviceModelName: return put_text(value, device ? device->config.model : "");
    case INTERFACE_DeviceSerialNumber: return put_text(value, device ? device->config.serial : "");
    case INTERFACE_DeviceAccessStatus: return put_number(value, device ? device_access_status(device) : 0);
    default: return put_number(value, 0);
    }
}

static GC_ERROR read_device(const struct device *device, int id, uint8_t value[1024]) {
    switch (id) {
    case DEVICE_DeviceID: return put_text(value, device->id);
    case DEVICE_DeviceVendorName: return put_text(value, device->config.vendor);
    case DEVICE_DeviceModelName: return put_text(value, device->config.model);
    case DEVICE_DeviceSerialNumber: return put_text(value, device->config.serial);
    case DEVICE_DeviceType: return put_text(value, library.config.tl_type);
    case DEVICE_StreamID: return put_text(value, STREAM_ID);
    case DEVICE_StreamSelector: return put_number(value, device->stream_selector);
    case DEVICE_DeviceIsLost: return put_number(value, device->dead ? 1 : 0);
    default: return put_number(value, 0);
    }
}

static GC_ERROR read_stream(const struct stream *stream, int id, uint8_t value[1024]) {
    switch (id) {
    case STREAM_StreamID: return put_text(value, STREAM_ID);
    case STREAM_StreamType: return put_text(value, library.config.tl_type);
    case STREAM_StreamAnnouncedBufferCount: return put_number(value, (int64_t)stream->announced_count);
    case STREAM_StreamAnnounceBufferMinimum: return put_number(value, 1);
    case STREAM_StreamInputBufferCount: return put_number(value, (int64_t)stream->input.count);
    case STREAM_StreamOutputBufferCount: return put_number(value, (int64_t)stream->output.count);
    case STREAM_StreamStartedFrameCount: return put_number(value, (int64_t)stream->started);
    case STREAM_StreamDeliveredFrameCount: return put_number(value, (int64_t)stream->delivered);
    case STREAM_StreamLostFrameCount: return put_number(value, (int64_t)stream->underruns);
    case STREAM_StreamIsGrabbing: return put_number(value, stream->grabbing ? 1 : 0);
    default: return put_number(value, 0);
    }
}

GC_ERROR own_read(int kind, void *object, int id, uint8_t value[1024]) {
    switch (kind) {
    case HANDLE_SYSTEM: return read_system(id, value);
    case HANDLE_INTERFACE: return read_interface(id, value);
    case HANDLE_DEVICE: return read_device(object, id, value);
    default: return read_stream(object, id, value);
    }
}

static GC_ERROR write_interface(int id, int64_t value) {
    switch (id) {
    case INTERFACE_DeviceUpdateList: interface_update(); return GC_ERR_SUCCESS;
    case INTERFACE_DeviceSelector:
        if (value != 0 && !interface_device_at(value))
            return fail(GC_ERR_INVALID_VALUE, "no device %d in the list", (int)value);
        library.device_selector = value;
        return GC_ERR_SUCCESS;
    default: /* FaultReturnDevices */
        for (int i = 0; i < library.config.device_count; i++) library.devices[i].plug->absent = false;
        return GC_ERR_SUCCESS;
    }
}

GC_ERROR own_write(int kind, void *object, int id, int64_t value) {
    if (kind == HANDLE_SYSTEM && id == SYSTEM_InterfaceUpdateList) library.interface_listed = true;
    if (kind == HANDLE_INTERFACE) return write_interface(id, value);
    if (kind == HANDLE_DEVICE && value != 0) return fail(GC_ERR_INVALID_VALUE, "the device has one stream");
    (void)object;
    return GC_ERR_SUCCESS;
}
