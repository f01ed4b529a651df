/* The C interface of a GenTL producer: numbers, layouts and signatures as the GenICam GenTL standard fixes
 * them (1.5, with the stacked and segment functions of 1.6), written down here for this producer alone. */
#ifndef GENTL_H
#define GENTL_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define GC_EXPORT __declspec(dllexport)
#define GC_CALL __stdcall
#else
#define GC_EXPORT __attribute__((visibility("default")))
#define GC_CALL
#endif
#define GC_API GC_EXPORT GC_ERROR GC_CALL

typedef int32_t GC_ERROR;
typedef uint8_t bool8_t;
typedef int32_t gc_number; /* every command, flag and type enumeration travels as 32 bits */
typedef void *gc_handle;

#define GENTL_INFINITE UINT64_MAX

/* errors */
enum {
    GC_ERR_SUCCESS = 0,
    GC_ERR_ERROR = -1001,
    GC_ERR_NOT_INITIALIZED = -1002,
    GC_ERR_NOT_IMPLEMENTED = -1003,
    GC_ERR_RESOURCE_IN_USE = -1004,
    GC_ERR_ACCESS_DENIED = -1005,
    GC_ERR_INVALID_HANDLE = -1006,
    GC_ERR_INVALID_ID = -1007,
    GC_ERR_NO_DATA = -1008,
    GC_ERR_INVALID_PARAMETER = -1009,
    GC_ERR_IO = -1010,
    GC_ERR_TIMEOUT = -1011,
    GC_ERR_ABORT = -1012,
    GC_ERR_INVALID_BUFFER = -1013,
    GC_ERR_NOT_AVAILABLE = -1014,
    GC_ERR_INVALID_ADDRESS = -1015,
    GC_ERR_BUFFER_TOO_SMALL = -1016,
    GC_ERR_INVALID_INDEX = -1017,
    GC_ERR_INVALID_VALUE = -1019,
    GC_ERR_OUT_OF_MEMORY = -1021,
    GC_ERR_BUSY = -1022
};

/* what an info buffer holds */
enum {
    INFO_DATATYPE_STRING = 1,
    INFO_DATATYPE_INT32 = 5,
    INFO_DATATYPE_UINT32 = 6,
    INFO_DATATYPE_UINT64 = 8,
    INFO_DATATYPE_PTR = 10,
    INFO_DATATYPE_BOOL8 = 11,
    INFO_DATATYPE_SIZET = 12,
    INFO_DATATYPE_BUFFER = 13
};

/* questions to the system, an interface, a device */
enum {
    TL_INFO_ID = 0,
    TL_INFO_VENDOR = 1,
    TL_INFO_MODEL = 2,
    TL_INFO_VERSION = 3,
    TL_INFO_TLTYPE = 4,
    TL_INFO_NAME = 5,
    TL_INFO_PATHNAME = 6,
    TL_INFO_DISPLAYNAME = 7,
    TL_INFO_CHAR_ENCODING = 8,
    TL_INFO_GENTL_VER_MAJOR = 9,
    TL_INFO_GENTL_VER_MINOR = 10,

    INTERFACE_INFO_ID = 0,
    INTERFACE_INFO_DISPLAYNAME = 1,
    INTERFACE_INFO_TLTYPE = 2,

    DEVICE_INFO_ID = 0,
    DEVICE_INFO_VENDOR = 1,
    DEVICE_INFO_MODEL = 2,
    DEVICE_INFO_TLTYPE = 3,
    DEVICE_INFO_DISPLAYNAME = 4,
    DEVICE_INFO_ACCESS_STATUS = 5,
    DEVICE_INFO_USER_DEFINED_NAME = 6,
    DEVICE_INFO_SERIAL_NUMBER = 7,
    DEVICE_INFO_VERSION = 8,
    DEVICE_INFO_TIMESTAMP_FREQUENCY = 9
};

enum { CHAR_ENCODING_UTF8 = 1 };
enum { DEVICE_ACCESS_READONLY = 2, DEVICE_ACCESS_CONTROL = 3, DEVICE_ACCESS_EXCLUSIVE = 4 };
enum {
    ACCESS_STATUS_READWRITE = 1,
    ACCESS_STATUS_NOACCESS = 3,
    ACCESS_STATUS_OPEN_READWRITE = 5,
    ACCESS_STATUS_OPEN_READONLY = 6
};

/* questions to a stream and to a buffer */
enum {
    STREAM_INFO_ID = 0,
    STREAM_INFO_NUM_DELIVERED = 1,
    STREAM_INFO_NUM_UNDERRUN = 2,
    STREAM_INFO_NUM_ANNOUNCED = 3,
    STREAM_INFO_NUM_QUEUED = 4,
    STREAM_INFO_NUM_AWAIT_DELIVERY = 5,
    STREAM_INFO_NUM_STARTED = 6,
    STREAM_INFO_PAYLOAD_SIZE = 7,
    STREAM_INFO_IS_GRABBING = 8,
    STREAM_INFO_DEFINES_PAYLOADSIZE = 9,
    STREAM_INFO_TLTYPE = 10,
    STREAM_INFO_NUM_CHUNKS_MAX = 11,
    STREAM_INFO_BUF_ANNOUNCE_MIN = 12,
    STREAM_INFO_BUF_ALIGNMENT = 13,

    BUFFER_INFO_BASE = 0,
    BUFFER_INFO_SIZE = 1,
    BUFFER_INFO_USER_PTR = 2,
    BUFFER_INFO_TIMESTAMP = 3,
    BUFFER_INFO_NEW_DATA = 4,
    BUFFER_INFO_IS_QUEUED = 5,
    BUFFER_INFO_IS_ACQUIRING = 6,
    BUFFER_INFO_IS_INCOMPLETE = 7,
    BUFFER_INFO_TLTYPE = 8,
    BUFFER_INFO_SIZE_FILLED = 9,
    BUFFER_INFO_WIDTH = 10,
    BUFFER_INFO_HEIGHT = 11,
    BUFFER_INFO_XOFFSET = 12,
    BUFFER_INFO_YOFFSET = 13,
    BUFFER_INFO_XPADDING = 14,
    BUFFER_INFO_YPADDING = 15,
    BUFFER_INFO_FRAMEID = 16,
    BUFFER_INFO_IMAGEPRESENT = 17,
    BUFFER_INFO_IMAGEOFFSET = 18,
    BUFFER_INFO_PAYLOADTYPE = 19,
    BUFFER_INFO_PIXELFORMAT = 20,
    BUFFER_INFO_PIXELFORMAT_NAMESPACE = 21,
    BUFFER_INFO_DELIVERED_IMAGEHEIGHT = 22,
    BUFFER_INFO_DELIVERED_CHUNKPAYLOADSIZE = 23,
    BUFFER_INFO_CHUNKLAYOUTID = 24,
    BUFFER_INFO_FILENAME = 25,
    BUFFER_INFO_PIXEL_ENDIANNESS = 26,
    BUFFER_INFO_DATA_SIZE = 27,
    BUFFER_INFO_TIMESTAMP_NS = 28,
    BUFFER_INFO_DATA_LARGER_THAN_BUFFER = 29,
    BUFFER_INFO_CONTAINS_CHUNKDATA = 30,
    BUFFER_INFO_IS_COMPOSITE = 31
};
enum { PAYLOAD_TYPE_IMAGE = 1, NAMESPACE_PFNC_32BIT = 4, ENDIANNESS_LITTLE = 1 };

enum {
    ACQ_QUEUE_INPUT_TO_OUTPUT = 0,
    ACQ_QUEUE_OUTPUT_DISCARD = 1,
    ACQ_QUEUE_ALL_TO_INPUT = 2,
    ACQ_QUEUE_UNQUEUED_TO_INPUT = 3,
    ACQ_QUEUE_ALL_DISCARD = 4
};

/* questions to a port and to one of its URLs */
enum {
    PORT_INFO_ID = 0,
    PORT_INFO_VENDOR = 1,
    PORT_INFO_MODEL = 2,
    PORT_INFO_TLTYPE = 3,
    PORT_INFO_MODULE = 4,
    PORT_INFO_LITTLE_ENDIAN = 5,
    PORT_INFO_BIG_ENDIAN = 6,
    PORT_INFO_ACCESS_READ = 7,
    PORT_INFO_ACCESS_WRITE = 8,
    PORT_INFO_ACCESS_NA = 9,
    PORT_INFO_ACCESS_NI = 10,
    PORT_INFO_VERSION = 11,
    PORT_INFO_PORTNAME = 12,

    URL_INFO_URL = 0,
    URL_INFO_SCHEMA_VER_MAJOR = 1,
    URL_INFO_SCHEMA_VER_MINOR = 2,
    URL_INFO_FILE_VER_MAJOR = 3,
    URL_INFO_FILE_VER_MINOR = 4,
    URL_INFO_FILE_VER_SUBMINOR = 5,
    URL_INFO_FILE_SHA1_HASH = 6,
    URL_INFO_FILE_REGISTER_ADDRESS = 7,
    URL_INFO_FILE_SIZE = 8,
    URL_INFO_SCHEME = 9,
    URL_INFO_FILENAME = 10
};

/* events */
enum { EVENT_ERROR = 0, EVENT_NEW_BUFFER = 1, EVENT_MODULE = 5 };
enum { EVENT_DATA_ID = 0, EVENT_DATA_VALUE = 1, EVENT_DATA_NUMID = 2 };
enum {
    EVENT_INFO_EVENT_TYPE = 0,
    EVENT_INFO_NUM_IN_QUEUE = 1,
    EVENT_INFO_NUM_FIRED = 2,
    EVENT_INFO_SIZE_MAX = 3,
    EVENT_INFO_DATA_SIZE_MAX = 4
};

#pragma pack(push, 1)
struct new_buffer_data {
    gc_handle buffer;
    void *user;
};
struct port_stack_entry {
    uint64_t address;
    void *memory;
    size_t size;
};
struct chunk_place {
    uint64_t id;
    ptrdiff_t offset;
    size_t length;
};
struct buffer_info_stack_entry {
    gc_number command;
    gc_number type;
    void *memory;
    size_t size;
    GC_ERROR result;
};
#pragma pack(pop)

/* The last arguments of every question: the answer's type, where to put it, its size in and out. */
#define GC_ANSWER gc_number *type, void *memory, size_t *size

GC_API GCInitLib(void);
GC_API GCCloseLib(void);
GC_API GCGetInfo(gc_number command, GC_ANSWER);
GC_API GCGetLastError(GC_ERROR *code, char *text, size_t *size);
GC_API GCReadPort(gc_handle port, uint64_t address, void *memory, size_t *size);
GC_API GCWritePort(gc_handle port, uint64_t address, const void *memory, size_t *size);
GC_API GCReadPortStacked(gc_handle port, struct port_stack_entry *entries, size_t *count);
GC_API GCWritePortStacked(gc_handle port, struct port_stack_entry *entries, size_t *count);
GC_API GCGetPortInfo(gc_handle port, gc_number command, GC_ANSWER);
GC_API GCGetPortURL(gc_handle port, char *url, size_t *size);
GC_API GCGetNumPortURLs(gc_handle port, uint32_t *count);
GC_API GCGetPortURLInfo(gc_handle port, uint32_t index, gc_number command, GC_ANSWER);

GC_API GCRegisterEvent(gc_handle source, gc_number type, gc_handle *event);
GC_API GCUnregisterEvent(gc_handle source, gc_number type);
GC_API EventGetData(gc_handle event, void *memory, size_t *size, uint64_t timeout_ms);
GC_API EventGetDataInfo(gc_handle event, const void *data, size_t size_of_data, gc_number command, GC_ANSWER);
GC_API EventGetInfo(gc_handle event, gc_number command, GC_ANSWER);
GC_API EventFlush(gc_handle event);
GC_API EventKill(gc_handle event);

GC_API TLOpen(gc_handle *system);
GC_API TLClose(gc_handle system);
GC_API TLGetInfo(gc_handle system, gc_number command, GC_ANSWER);
GC_API TLUpdateInterfaceList(gc_handle system, bool8_t *changed, uint64_t timeout_ms);
GC_API TLGetNumInterfaces(gc_handle system, uint32_t *count);
GC_API TLGetInterfaceID(gc_handle system, uint32_t index, char *id, size_t *size);
GC_API TLGetInterfaceInfo(gc_handle system, const char *id, gc_number command, GC_ANSWER);
GC_API TLOpenInterface(gc_handle system, const char *id, gc_handle *interface_);

GC_API IFClose(gc_handle interface_);
GC_API IFGetInfo(gc_handle interface_, gc_number command, GC_ANSWER);
GC_API IFUpdateDeviceList(gc_handle interface_, bool8_t *changed, uint64_t timeout_ms);
GC_API IFGetNumDevices(gc_handle interface_, uint32_t *count);
GC_API IFGetDeviceID(gc_handle interface_, uint32_t index, char *id, size_t *size);
GC_API IFGetDeviceInfo(gc_handle interface_, const char *id, gc_number command, GC_ANSWER);
GC_API IFOpenDevice(gc_handle interface_, const char *id, gc_number access, gc_handle *device);
GC_API IFGetParentTL(gc_handle interface_, gc_handle *system);

GC_API DevClose(gc_handle device);
GC_API DevGetInfo(gc_handle device, gc_number command, GC_ANSWER);
GC_API DevGetPort(gc_handle device, gc_handle *port);
GC_API DevGetNumDataStreams(gc_handle device, uint32_t *count);
GC_API DevGetDataStreamID(gc_handle device, uint32_t index, char *id, size_t *size);
GC_API DevOpenDataStream(gc_handle device, const char *id, gc_handle *stream);
GC_API DevGetParentIF(gc_handle device, gc_handle *interface_);

GC_API DSClose(gc_handle stream);
GC_API DSGetInfo(gc_handle stream, gc_number command, GC_ANSWER);
GC_API DSAnnounceBuffer(gc_handle stream, void *memory, size_t size, void *user, gc_handle *buffer);
GC_API DSAllocAndAnnounceBuffer(gc_handle stream, size_t size, void *user, gc_handle *buffer);
GC_API DSAnnounceCompositeBuffer(gc_handle stream, size_t count, void **segments, size_t *sizes, void *user,
                                 gc_handle *buffer);
GC_API DSRevokeBuffer(gc_handle stream, gc_handle buffer, void **memory, void **user);
GC_API DSQueueBuffer(gc_handle stream, gc_handle buffer);
GC_API DSFlushQueue(gc_handle stream, gc_number operation);
GC_API DSStartAcquisition(gc_handle stream, gc_number flags, uint64_t count);
GC_API DSStopAcquisition(gc_handle stream, gc_number flags);
GC_API DSGetBufferID(gc_handle stream, uint32_t index, gc_handle *buffer);
GC_API DSGetBufferInfo(gc_handle stream, gc_handle buffer, gc_number command, GC_ANSWER);
GC_API DSGetBufferInfoStacked(gc_handle stream, gc_handle buffer, struct buffer_info_stack_entry *entries,
                              size_t count);
GC_API DSGetBufferChunkData(gc_handle stream, gc_handle buffer, struct chunk_place *places, size_t *count);
GC_API DSGetParentDev(gc_handle stream, gc_handle *device);
GC_API DSGetNumBufferParts(gc_handle stream, gc_handle buffer, uint32_t *count);
GC_API DSGetBufferPartInfo(gc_handle stream, gc_handle buffer, uint32_t part, gc_number command, GC_ANSWER);
GC_API DSGetBufferPartInfoStacked(gc_handle stream, gc_handle buffer, void *entries, size_t count);
GC_API DSGetNumFlows(gc_handle stream, uint32_t *count);
GC_API DSGetFlowInfo(gc_handle stream, uint32_t flow, gc_number command, GC_ANSWER);
GC_API DSGetNumBufferSegments(gc_handle stream, gc_handle buffer, uint32_t *count);
GC_API DSGetBufferSegmentInfo(gc_handle stream, gc_handle buffer, uint32_t segment, gc_number command,
                              GC_ANSWER);

#endif
