/* Wrong handles, small buffers, wrong states: every function says so by its code. */
#include "driver.h"

#include "register_map.h"

#include <string.h>

static void check_before_init(void) {
    gc_handle handle;
    uint32_t count;
    GC_ERROR code;
    size_t size = 0;
    EXPECT(GC_ERR_NOT_INITIALIZED, gc.GCCloseLib());
    EXPECT(GC_ERR_NOT_INITIALIZED, gc.TLOpen(&handle));
    EXPECT(GC_ERR_NOT_INITIALIZED, gc.IFGetNumDevices(NULL, &count));
    GOOD(gc.GCGetLastError(&code, NULL, &size));
    CHECK(code == GC_ERR_NOT_INITIALIZED && size > 1);
    EXPECT(GC_ERR_INVALID_PARAMETER, gc.GCGetLastError(NULL, NULL, NULL));
}

/* Each function that takes a handle, with one that is no handle of the right kind. */
static void check_handle(gc_handle wrong, gc_handle port_of_other_kind) {
    char text[300];
    size_t size = sizeof text;
    uint32_t count;
    gc_number type;
    gc_handle out;
    bool8_t changed;
    gc_handle bad = wrong;
#define BAD(call) EXPECT(GC_ERR_INVALID_HANDLE, call)
    BAD(gc.TLClose(bad));
    BAD(gc.TLGetInfo(bad, 0, &type, text, &size));
    BAD(gc.TLUpdateInterfaceList(bad, &changed, 0));
    BAD(gc.TLGetNumInterfaces(bad, &count));
    BAD(gc.TLGetInterfaceID(bad, 0, text, &size));
    BAD(gc.TLGetInterfaceInfo(bad, "x", 0, &type, text, &size));
    BAD(gc.TLOpenInterface(bad, "x", &out));
    BAD(gc.IFClose(bad));
    BAD(gc.IFGetInfo(bad, 0, &type, text, &size));
    BAD(gc.IFUpdateDeviceList(bad, &changed, 0));
    BAD(gc.IFGetNumDevices(bad, &count));
    BAD(gc.IFGetDeviceID(bad, 0, text, &size));
    BAD(gc.IFGetDeviceInfo(bad, "x", 0, &type, text, &size));
    BAD(gc.IFOpenDevice(bad, "x", 4, &out));
    BAD(gc.IFGetParentTL(bad, &out));
    BAD(gc.DevClose(bad));
    BAD(gc.DevGetInfo(bad, 0, &type, text, &size));
    BAD(gc.DevGetPort(bad, &out));
    BAD(gc.DevGetNumDataStreams(bad, &count));
    BAD(gc.DevGetDataStreamID(bad, 0, text, &size));
    BAD(gc.DevOpenDataStream(bad, "x", &out));
    BAD(gc.DevGetParentIF(bad, &out));
    BAD(gc.DSClose(bad));
    BAD(gc.DSGetInfo(bad, 0, &type, text, &size));
    BAD(gc.DSAnnounceBuffer(bad, text, size, NULL, &out));
    BAD(gc.DSAllocAndAnnounceBuffer(bad, 10, NULL, &out));
    BAD(gc.DSAnnounceCompositeBuffer(bad, 0, NULL, NULL, NULL, &out));
    BAD(gc.DSRevokeBuffer(bad, bad, NULL, NULL));
    BAD(gc.DSQueueBuffer(bad, bad));
    BAD(gc.DSFlushQueue(bad, 0));
    BAD(gc.DSStartAcquisition(bad, 0, 1));
    BAD(gc.DSStopAcquisition(bad, 0));
    BAD(gc.DSGetBufferID(bad, 0, &out));
    BAD(gc.DSGetBufferInfo(bad, bad, 0, &type, text, &size));
    BAD(gc.DSGetBufferInfoStacked(bad, bad, NULL, 1));
    BAD(gc.DSGetBufferChunkData(bad, bad, NULL, &size));
    BAD(gc.DSGetParentDev(bad, &out));
    BAD(gc.DSGetNumBufferParts(bad, bad, &count));
    BAD(gc.DSGetBufferPartInfo(bad, bad, 0, 0, &type, text, &size));
    BAD(gc.DSGetBufferPartInfoStacked(bad, bad, NULL, 1));
    BAD(gc.DSGetNumFlows(bad, &count));
    BAD(gc.DSGetFlowInfo(bad, 0, 0, &type, text, &size));
    BAD(gc.DSGetNumBufferSegments(bad, bad, &count));
    BAD(gc.DSGetBufferSegmentInfo(bad, bad, 0, 0, &type, text, &size));
    BAD(gc.EventGetData(bad, text, &size, 0));
    BAD(gc.EventGetDataInfo(bad, text, size, 0, &type, text, &size));
    BAD(gc.EventGetInfo(bad, 0, &type, text, &size));
    BAD(gc.EventFlush(bad));
    BAD(gc.EventKill(bad));
    if (port_of_other_kind) return; /* what follows takes any module's handle */
    BAD(gc.GCReadPort(bad, 0, text, &size));
    BAD(gc.GCWritePort(bad, 0, text, &size));
    BAD(gc.GCReadPortStacked(bad, NULL, &size));
    BAD(gc.GCWritePortStacked(bad, NULL, &size));
    BAD(gc.GCGetPortInfo(bad, 0, &type, text, &size));
    BAD(gc.GCGetPortURL(bad, text, &size));
    BAD(gc.GCGetNumPortURLs(bad, &count));
    BAD(gc.GCGetPortURLInfo(bad, 0, 0, &type, text, &size));
    BAD(gc.GCRegisterEvent(bad, 0, &out));
    BAD(gc.GCUnregisterEvent(bad, 0));
}

static void check_small_answers(const struct chain *chain) {
    char text[8];
    gc_number type = 0;
    size_t size = 0;
    GOOD(gc.TLGetInfo(chain->system, TL_INFO_MODEL, &type, NULL, &size));
    CHECK(type == INFO_DATATYPE_STRING && size == strlen("RheedMockProducer") + 1);
    size = 4;
    EXPECT(GC_ERR_BUFFER_TOO_SMALL, gc.TLGetInfo(chain->system, TL_INFO_MODEL, &type, text, &size));
    EXPECT(GC_ERR_INVALID_PARAMETER, gc.TLGetInfo(chain->system, TL_INFO_MODEL, &type, text, NULL));
    EXPECT(GC_ERR_NOT_IMPLEMENTED, gc.TLGetInfo(chain->system, 999, &type, text, &size));
    size = 3;
    EXPECT(GC_ERR_BUFFER_TOO_SMALL, gc.IFGetDeviceID(chain->interface_, 0, text, &size));
    size = sizeof text;
    EXPECT(GC_ERR_INVALID_INDEX, gc.IFGetDeviceID(chain->interface_, 99, text, &size));
    EXPECT(GC_ERR_NOT_IMPLEMENTED, gc.DevGetInfo(chain->device, 77, &type, text, &size));
    EXPECT(GC_ERR_NOT_IMPLEMENTED, gc.DSGetInfo(chain->stream, 77, &type, text, &size));
    size = 1;
    EXPECT(GC_ERR_BUFFER_TOO_SMALL, gc.GCGetPortURL(chain->port, text, &size));
}

static void check_registers(const struct chain *chain) {
    int64_t value = 17;
    size_t size = sizeof value;
    EXPECT(GC_ERR_INVALID_VALUE, gc.GCWritePort(chain->port, address_of(REMOTE_Width), &value, &size));
    EXPECT(GC_ERR_ACCESS_DENIED, gc.GCWritePort(chain->port, address_of(REMOTE_PayloadSize), &value, &size));
    EXPECT(GC_ERR_INVALID_ADDRESS, gc.GCWritePort(chain->port, address_of(REMOTE_Width) + 1, &value, &size));
    EXPECT(GC_ERR_INVALID_ADDRESS, gc.GCReadPort(chain->port, 0x7000000, &value, &size));
    EXPECT(GC_ERR_INVALID_ADDRESS, gc.GCReadPort(chain->port, 0x90000000, &value, &size));
    EXPECT(GC_ERR_INVALID_ADDRESS, gc.GCReadPort(chain->port, UINT64_MAX, &value, &size));
    EXPECT(GC_ERR_ACCESS_DENIED, gc.GCWritePort(chain->port, 0x80000000, &value, &size));
    EXPECT(GC_ERR_INVALID_PARAMETER, gc.GCReadPort(chain->port, 0, NULL, &size));
    char endless[64];
    memset(endless, 'x', sizeof endless);
    size = sizeof endless;
    EXPECT(GC_ERR_INVALID_VALUE, gc.GCWritePort(chain->port, address_of(REMOTE_DeviceUserID), endless, &size));
    struct port_stack_entry entries[2] = {{address_of(REMOTE_Width), &value, 8}, {0x7000000, &value, 8}};
    size_t count = 2;
    EXPECT(GC_ERR_INVALID_ADDRESS, gc.GCReadPortStacked(chain->port, entries, &count));
    CHECK(count == 1 && value == read_integer(chain->port, REMOTE_Width));
    write_integer(chain->port, REMOTE_TLParamsLocked, 1);
    size = sizeof value;
    EXPECT(GC_ERR_ACCESS_DENIED, gc.GCWritePort(chain->port, address_of(REMOTE_Width), &value, &size));
    write_integer(chain->port, REMOTE_TLParamsLocked, 0);
}

static void check_states(const struct chain *chain) {
    gc_handle out, first, second;
    EXPECT(GC_ERR_RESOURCE_IN_USE, gc.GCInitLib());
    EXPECT(GC_ERR_RESOURCE_IN_USE, gc.TLOpen(&out));
    EXPECT(GC_ERR_RESOURCE_IN_USE, gc.TLOpenInterface(chain->system, "rheed_mock_interface_0", &out));
    EXPECT(GC_ERR_INVALID_ID, gc.TLOpenInterface(chain->system, "other", &out));
    EXPECT(GC_ERR_RESOURCE_IN_USE, gc.IFOpenDevice(chain->interface_, "rheed_mock_MOCK-0001", 4, &out));
    EXPECT(GC_ERR_INVALID_ID, gc.IFOpenDevice(chain->interface_, "other", 4, &out));
    EXPECT(GC_ERR_INVALID_PARAMETER, gc.IFOpenDevice(chain->interface_, "rheed_mock_MOCK-0002", 9, &out));
    EXPECT(GC_ERR_RESOURCE_IN_USE, gc.DevOpenDataStream(chain->device, "stream_0", &out));
    EXPECT(GC_ERR_INVALID_ID, gc.DevOpenDataStream(chain->device, "other", &out));
    EXPECT(GC_ERR_INVALID_BUFFER, gc.DSStartAcquisition(chain->stream, 0, GENTL_INFINITE));
    EXPECT(GC_ERR_RESOURCE_IN_USE, gc.DSStopAcquisition(chain->stream, 0));
    EXPECT(GC_ERR_INVALID_INDEX, gc.DSGetBufferID(chain->stream, 0, &out));
    EXPECT(GC_ERR_INVALID_PARAMETER, gc.DSAnnounceBuffer(chain->stream, NULL, 8, NULL, &out));
    GOOD(gc.DSAllocAndAnnounceBuffer(chain->stream, 64, &out, &first));
    GOOD(gc.DSAllocAndAnnounceBuffer(chain->stream, 64, NULL, &second));
    GOOD(gc.DSQueueBuffer(chain->stream, first));
    EXPECT(GC_ERR_RESOURCE_IN_USE, gc.DSQueueBuffer(chain->stream, first));
    EXPECT(GC_ERR_BUSY, gc.DSRevokeBuffer(chain->stream, first, NULL, NULL));
    GOOD(gc.DSFlushQueue(chain->stream, ACQ_QUEUE_UNQUEUED_TO_INPUT));
    EXPECT(GC_ERR_BUSY, gc.DSRevokeBuffer(chain->stream, second, NULL, NULL));
    GOOD(gc.DSFlushQueue(chain->stream, ACQ_QUEUE_ALL_DISCARD));
    EXPECT(GC_ERR_INVALID_PARAMETER, gc.DSFlushQueue(chain->stream, 5));
    gc_number type;
    uint64_t number;
    size_t size = sizeof number;
    EXPECT(GC_ERR_NOT_AVAILABLE, gc.DSGetBufferInfo(chain->stream, first, BUFFER_INFO_FRAMEID, &type, &number, &size));
    EXPECT(GC_ERR_NO_DATA, gc.DSGetBufferChunkData(chain->stream, first, NULL, &size));
    void *memory = &number, *user = NULL;
    GOOD(gc.DSRevokeBuffer(chain->stream, first, &memory, &user));
    CHECK(memory == NULL && user == &out);
    EXPECT(GC_ERR_INVALID_HANDLE, gc.DSRevokeBuffer(chain->stream, first, NULL, NULL));
    GOOD(gc.DSRevokeBuffer(chain->stream, second, NULL, NULL));
    GOOD(gc.GCRegisterEvent(chain->stream, EVENT_NEW_BUFFER, &out));
    EXPECT(GC_ERR_RESOURCE_IN_USE, gc.GCRegisterEvent(chain->stream, EVENT_NEW_BUFFER, &out));
    EXPECT(GC_ERR_NOT_IMPLEMENTED, gc.GCRegisterEvent(chain->system, EVENT_NEW_BUFFER, &first));
    struct new_buffer_data data;
    size = sizeof data;
    EXPECT(GC_ERR_TIMEOUT, gc.EventGetData(out, &data, &size, 5));
    GOOD(gc.EventKill(out));
    EXPECT(GC_ERR_ABORT, gc.EventGetData(out, &data, &size, 5000));
    GOOD(gc.GCUnregisterEvent(chain->stream, EVENT_NEW_BUFFER));
    EXPECT(GC_ERR_INVALID_HANDLE, gc.EventKill(out));
    EXPECT(GC_ERR_INVALID_PARAMETER, gc.GCUnregisterEvent(chain->stream, EVENT_NEW_BUFFER));
}

void check_errors(void) {
    struct chain chain;
    check_before_init();
    GOOD(gc.GCInitLib());
    check_handle(NULL, NULL);
    check_handle((gc_handle)(uintptr_t)0xDEADBEEF, NULL);
    check_handle(&chain, NULL);
    open_chain(&chain, 0);
    check_handle(chain.port, chain.port); /* a handle, but of a module that has none of these functions */
    check_small_answers(&chain);
    check_registers(&chain);
    check_states(&chain);
    struct chain closed = chain;
    close_chain(&chain);
    check_handle(closed.system, NULL);
    check_handle(closed.stream, NULL);
    open_chain(&chain, 0);
    check_handle(closed.device, NULL); /* its place in the table is in use again */
    GOOD(gc.GCCloseLib());             /* closes everything below */
    GOOD(gc.GCInitLib());
    check_handle(chain.stream, NULL);
    GOOD(gc.GCCloseLib());
}
