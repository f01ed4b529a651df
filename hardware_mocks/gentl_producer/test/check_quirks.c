/* Cameras that are not as the standard says: other names, other defaults, bad ids and stamps, listed twice. */
#include "driver.h"

#include "register_map.h"

#include <string.h>

enum { WIDTH = 64, HEIGHT = 8, PADDING = 12 };

static bool8_t xml_has(gc_handle port, const char *text) {
    char url[200];
    size_t size = sizeof url, length;
    uint64_t address;
    GOOD(gc.GCGetPortURL(port, url, &size));
    const char *where = strchr(url, ';') + 1;
    address = strtoull(where, NULL, 16);
    length = (size_t)strtoull(strchr(where, ';') + 1, NULL, 16);
    char *xml = calloc(1, length + 1);
    size = length;
    GOOD(gc.GCReadPort(port, address, xml, &size));
    bool8_t found = strstr(xml, text) != NULL;
    free(xml);
    return found;
}

static GC_ERROR ask(const struct chain *chain, gc_handle buffer, gc_number command, uint64_t *answer) {
    gc_number type;
    size_t size = sizeof *answer;
    *answer = 0;
    return gc.DSGetBufferInfo(chain->stream, buffer, command, &type, answer, &size);
}

static void start(const struct chain *chain, gc_handle *event) {
    gc_handle buffer;
    size_t payload = (size_t)read_integer(chain->port, REMOTE_PayloadSize);
    GOOD(gc.GCRegisterEvent(chain->stream, EVENT_NEW_BUFFER, event));
    for (int i = 0; i < 4; i++) {
        GOOD(gc.DSAllocAndAnnounceBuffer(chain->stream, payload, NULL, &buffer));
        GOOD(gc.DSQueueBuffer(chain->stream, buffer));
    }
    GOOD(gc.DSStartAcquisition(chain->stream, 0, GENTL_INFINITE));
    write_integer(chain->port, REMOTE_AcquisitionStart, 1);
}

static void stop(const struct chain *chain) {
    gc_handle buffer;
    write_integer(chain->port, REMOTE_AcquisitionStop, 1);
    GOOD(gc.DSStopAcquisition(chain->stream, 0));
    GOOD(gc.DSFlushQueue(chain->stream, ACQ_QUEUE_ALL_DISCARD));
    GOOD(gc.GCUnregisterEvent(chain->stream, EVENT_NEW_BUFFER));
    while (gc.DSGetBufferID(chain->stream, 0, &buffer) == GC_ERR_SUCCESS)
        GOOD(gc.DSRevokeBuffer(chain->stream, buffer, NULL, NULL));
}

static gc_handle one_frame(const struct chain *chain, gc_handle event) {
    struct new_buffer_data data;
    size_t size = sizeof data;
    (void)chain;
    GOOD(gc.EventGetData(event, &data, &size, 20000));
    return data.buffer;
}

static void check_stamp(const struct chain *chain, int64_t quirk, GC_ERROR code, uint64_t expected) {
    uint64_t stamp;
    gc_handle event;
    write_integer(chain->port, REMOTE_FaultTimestamp, quirk);
    start(chain, &event);
    EXPECT(code, ask(chain, one_frame(chain, event), BUFFER_INFO_TIMESTAMP_NS, &stamp));
    if (code == GC_ERR_SUCCESS) CHECK(stamp == expected);
    stop(chain);
    write_integer(chain->port, REMOTE_FaultTimestamp, FaultTimestamp_is_True);
}

static void check_ids(const struct chain *chain) {
    uint64_t id, before;
    gc_handle event;
    write_integer(chain->port, REMOTE_FaultFrameID, FaultFrameID_is_Constant);
    start(chain, &event);
    GOOD(ask(chain, one_frame(chain, event), BUFFER_INFO_FRAMEID, &before));
    GOOD(ask(chain, one_frame(chain, event), BUFFER_INFO_FRAMEID, &id));
    CHECK(id == before);
    stop(chain);
    write_integer(chain->port, REMOTE_FaultFrameID, FaultFrameID_is_Missing);
    start(chain, &event);
    EXPECT(GC_ERR_NOT_AVAILABLE, ask(chain, one_frame(chain, event), BUFFER_INFO_FRAMEID, &id));
    stop(chain);
    write_integer(chain->port, REMOTE_FaultFrameID, FaultFrameID_is_Counts);
}

static void check_padding(const struct chain *chain) {
    uint64_t padding, base;
    gc_handle event, buffer;
    write_integer(chain->port, REMOTE_LinePadding, PADDING);
    CHECK(read_integer(chain->port, REMOTE_LinePitch) == WIDTH + PADDING);
    CHECK(read_integer(chain->port, REMOTE_PayloadSize) == HEIGHT * (WIDTH + PADDING));
    start(chain, &event);
    buffer = one_frame(chain, event);
    GOOD(ask(chain, buffer, BUFFER_INFO_XPADDING, &padding));
    GOOD(ask(chain, buffer, BUFFER_INFO_BASE, &base));
    CHECK(padding == PADDING);
    for (int row = 0; row < HEIGHT; row++)
        for (int i = 0; i < PADDING; i++)
            CHECK(((uint8_t *)(uintptr_t)base)[row * (WIDTH + PADDING) + WIDTH + i] == 165);
    stop(chain);
    write_integer(chain->port, REMOTE_FaultPaddingUntold, 1);
    start(chain, &event);
    EXPECT(GC_ERR_NOT_IMPLEMENTED, ask(chain, one_frame(chain, event), BUFFER_INFO_XPADDING, &padding));
    stop(chain);
    write_integer(chain->port, REMOTE_LinePadding, 0);
}

static void check_payload(const struct chain *chain, int64_t wrong, uint64_t filled, uint64_t larger) {
    uint64_t answer;
    gc_handle event, buffer;
    write_integer(chain->port, REMOTE_FaultPayload, wrong);
    start(chain, &event);
    buffer = one_frame(chain, event);
    GOOD(ask(chain, buffer, BUFFER_INFO_SIZE_FILLED, &answer));
    CHECK(answer == filled);
    GOOD(ask(chain, buffer, BUFFER_INFO_IS_INCOMPLETE, &answer));
    CHECK(answer == 0);
    GOOD(ask(chain, buffer, BUFFER_INFO_DATA_LARGER_THAN_BUFFER, &answer));
    CHECK(answer == larger);
    stop(chain);
    write_integer(chain->port, REMOTE_FaultPayload, 0);
}

static void check_modes(const struct chain *chain) {
    double exposure = 500.0, rate = 0.0;
    size_t size = sizeof exposure;
    write_integer(chain->port, REMOTE_ExposureMode, ExposureMode_is_TriggerWidth);
    EXPECT(GC_ERR_ACCESS_DENIED, gc.GCWritePort(chain->port, address_of(REMOTE_ExposureTime), &exposure, &size));
    write_integer(chain->port, REMOTE_ExposureMode, ExposureMode_is_Timed);
    GOOD(gc.GCWritePort(chain->port, address_of(REMOTE_ExposureTime), &exposure, &size));
    write_integer(chain->port, REMOTE_DeviceLinkThroughputLimit, 1000000);
    write_integer(chain->port, REMOTE_DeviceLinkThroughputLimitMode, 1);
    GOOD(gc.GCReadPort(chain->port, address_of(REMOTE_AcquisitionFrameRateMax), &rate, &size));
    CHECK(rate == 1e6 / (WIDTH * HEIGHT));
    write_integer(chain->port, REMOTE_DeviceLinkThroughputLimitMode, 0);
}

void check_quirks(void) {
    struct chain chain;
    gc_handle again;
    uint32_t count = 0;
    set_variable("MOCK_GENTL_RENAME", "AcquisitionResultingFrameRate=mvResultingFrameRate Gain=Boost");
    set_variable("MOCK_GENTL_INITIAL", "AcquisitionFrameRateEnable=0 Width=64 Height=8 Gamma=2.5");
    set_variable("MOCK_GENTL_LISTINGS", "2");
    GOOD(gc.GCInitLib());
    open_chain(&chain, 1);
    GOOD(gc.IFGetNumDevices(chain.interface_, &count));
    CHECK(count == 4);
    EXPECT(GC_ERR_RESOURCE_IN_USE, gc.IFOpenDevice(chain.interface_, "rheed_mock_MOCK-0001", 4, &again));
    CHECK(xml_has(chain.port, "Name=\"mvResultingFrameRate\"") && xml_has(chain.port, ">Boost<"));
    CHECK(!xml_has(chain.port, "\"AcquisitionResultingFrameRate\"") && xml_has(chain.port, "EnumEntry Name=\"Gain\""));
    CHECK(read_integer(chain.port, REMOTE_AcquisitionFrameRateEnable) == 0);
    CHECK(read_integer(chain.port, REMOTE_Width) == WIDTH && read_integer(chain.port, REMOTE_Height) == HEIGHT);
    check_modes(&chain);
    check_ids(&chain);
    check_stamp(&chain, FaultTimestamp_is_Zero, GC_ERR_SUCCESS, 0);
    check_stamp(&chain, FaultTimestamp_is_AllOnes, GC_ERR_SUCCESS, UINT64_MAX);
    check_stamp(&chain, FaultTimestamp_is_Constant, GC_ERR_SUCCESS, 1000000000);
    check_stamp(&chain, FaultTimestamp_is_Missing, GC_ERR_NOT_AVAILABLE, 0);
    check_padding(&chain);
    check_payload(&chain, -100, WIDTH * HEIGHT - 100, 0);
    check_payload(&chain, 100, WIDTH * HEIGHT, 1);
    close_chain(&chain);
    GOOD(gc.GCCloseLib());
    set_variable("MOCK_GENTL_RENAME", "Nothing=Something");
    EXPECT(GC_ERR_ERROR, gc.GCInitLib());
    set_variable("MOCK_GENTL_RENAME", "");
    set_variable("MOCK_GENTL_INITIAL", "Gamma=9");
    EXPECT(GC_ERR_ERROR, gc.GCInitLib());
    set_variable("MOCK_GENTL_INITIAL", "");
    set_variable("MOCK_GENTL_LISTINGS", "");
}
