/* Frames come in order, complete, with what was asked for; and what is done with their buffers. */
#include "driver.h"

#include "register_map.h"

#include <string.h>

struct frame {
    gc_handle buffer;
    uint64_t id, timestamp;
    uint8_t *memory;
    size_t filled;
    bool8_t incomplete;
};

static void ask(const struct chain *chain, gc_handle buffer, gc_number command, void *answer, size_t size) {
    gc_number type;
    size_t got = size;
    GOOD(gc.DSGetBufferInfo(chain->stream, buffer, command, &type, answer, &got));
    CHECK(got == size);
}

static GC_ERROR fetch(const struct chain *chain, gc_handle event, struct frame *frame, uint64_t timeout_ms) {
    struct new_buffer_data data;
    size_t size = sizeof data;
    GC_ERROR result = gc.EventGetData(event, &data, &size, timeout_ms);
    if (result != GC_ERR_SUCCESS) return result;
    frame->buffer = data.buffer;
    ask(chain, data.buffer, BUFFER_INFO_FRAMEID, &frame->id, 8);
    ask(chain, data.buffer, BUFFER_INFO_TIMESTAMP_NS, &frame->timestamp, 8);
    ask(chain, data.buffer, BUFFER_INFO_BASE, &frame->memory, sizeof(void *));
    ask(chain, data.buffer, BUFFER_INFO_SIZE_FILLED, &frame->filled, sizeof(size_t));
    ask(chain, data.buffer, BUFFER_INFO_IS_INCOMPLETE, &frame->incomplete, 1);
    return result;
}

static gc_handle start(const struct chain *chain, size_t size, int buffers) {
    gc_handle event, buffer;
    GOOD(gc.GCRegisterEvent(chain->stream, EVENT_NEW_BUFFER, &event));
    for (int i = 0; i < buffers; i++) {
        GOOD(gc.DSAllocAndAnnounceBuffer(chain->stream, size, NULL, &buffer));
        GOOD(gc.DSQueueBuffer(chain->stream, buffer));
    }
    GOOD(gc.DSStartAcquisition(chain->stream, 0, GENTL_INFINITE));
    write_integer(chain->port, REMOTE_AcquisitionStart, 1);
    return event;
}

static void stop(const struct chain *chain) {
    write_integer(chain->port, REMOTE_AcquisitionStop, 1);
    GOOD(gc.DSStopAcquisition(chain->stream, 0));
    GOOD(gc.DSFlushQueue(chain->stream, ACQ_QUEUE_ALL_DISCARD));
    GOOD(gc.GCUnregisterEvent(chain->stream, EVENT_NEW_BUFFER));
    gc_handle buffer;
    while (gc.DSGetBufferID(chain->stream, 0, &buffer) == GC_ERR_SUCCESS)
        GOOD(gc.DSRevokeBuffer(chain->stream, buffer, NULL, NULL));
}

static void write_float(gc_handle port, int id, double value) {
    size_t size = sizeof value;
    GOOD(gc.GCWritePort(port, address_of(id), &value, &size));
}

static void check_format(const struct chain *chain, int64_t format, int64_t binning, int64_t pattern) {
    write_integer(chain->port, REMOTE_BinningHorizontal, binning);
    write_integer(chain->port, REMOTE_BinningVertical, binning);
    write_integer(chain->port, REMOTE_PixelFormat, format);
    write_integer(chain->port, REMOTE_Width, 64);
    write_integer(chain->port, REMOTE_Height, 32);
    write_integer(chain->port, REMOTE_OffsetX, 12);
    write_integer(chain->port, REMOTE_OffsetY, 3);
    write_integer(chain->port, REMOTE_TestPattern, pattern);
    write_integer(chain->port, REMOTE_ChunkModeActive, 1);
    size_t payload = (size_t)read_integer(chain->port, REMOTE_PayloadSize);
    write_integer(chain->port, REMOTE_AcquisitionMode, AcquisitionMode_is_MultiFrame);
    write_integer(chain->port, REMOTE_AcquisitionFrameCount, 6);
    gc_handle event = start(chain, payload, 8); /* a buffer for each: a slow machine loses none */
    uint64_t before = 0;
    for (uint64_t i = 0; i < 6; i++) {
        struct frame frame;
        GOOD(fetch(chain, event, &frame, 5000));
        CHECK(frame.id == i && frame.filled == payload && !frame.incomplete);
        CHECK(i == 0 || frame.timestamp - before == 1000000); /* 1,000 frames/s on the nanosecond */
        CHECK(frame.memory[0] == i || format != PixelFormat_is_Mono8);
        before = frame.timestamp;
        struct chunk_place places[5];
        size_t count = 5;
        GOOD(gc.DSGetBufferChunkData(chain->stream, frame.buffer, places, &count));
        CHECK(count == 5 && (size_t)(places[4].offset) + places[4].length + 8 == payload);
        uint64_t id;
        memcpy(&id, frame.memory + places[2].offset, 8);
        CHECK(id == i);
        uint64_t stacked_id = 99;
        struct buffer_info_stack_entry entry = {BUFFER_INFO_FRAMEID, 0, &stacked_id, 8, 1};
        GOOD(gc.DSGetBufferInfoStacked(chain->stream, frame.buffer, &entry, 1));
        CHECK(entry.result == 0 && stacked_id == i);
        GOOD(gc.DSQueueBuffer(chain->stream, frame.buffer));
    }
    stop(chain);
    write_integer(chain->port, REMOTE_ChunkModeActive, 0);
    write_integer(chain->port, REMOTE_AcquisitionMode, AcquisitionMode_is_Continuous);
}

static void check_xml(gc_handle port) {
    char url[200];
    size_t size = sizeof url;
    GOOD(gc.GCGetPortURL(port, url, &size));
    unsigned long long address, length;
    CHECK(sscanf(strchr(url, ';'), ";%llX;%llX", &address, &length) == 2);
    char *xml = malloc(length);
    size = length;
    GOOD(gc.GCReadPort(port, address, xml, &size));
    CHECK(size == length && memcmp(xml, "<?xml", 5) == 0 && xml[length - 1] == '\n');
    free(xml);
}

static void check_small_buffer(const struct chain *chain) {
    gc_handle event = start(chain, 100, 2);
    struct frame frame;
    GOOD(fetch(chain, event, &frame, 5000));
    bool8_t larger;
    ask(chain, frame.buffer, BUFFER_INFO_DATA_LARGER_THAN_BUFFER, &larger, 1);
    CHECK(frame.incomplete && frame.filled == 100 && larger);
    GOOD(gc.EventFlush(event));
    stop(chain);
}

static void check_underrun(const struct chain *chain) {
    size_t payload = (size_t)read_integer(chain->port, REMOTE_PayloadSize);
    gc_handle event = start(chain, payload, 2);
    struct frame first, second, later;
    GOOD(fetch(chain, event, &first, 5000));
    GOOD(fetch(chain, event, &second, 5000));
    uint64_t lost = 0;
    gc_number type;
    size_t size = sizeof lost;
    while (lost < 5) GOOD(gc.DSGetInfo(chain->stream, STREAM_INFO_NUM_UNDERRUN, &type, &lost, &size));
    GOOD(gc.DSQueueBuffer(chain->stream, first.buffer));
    GOOD(fetch(chain, event, &later, 5000));
    CHECK(later.id >= 7); /* the frames that found no buffer took their ids with them */
    stop(chain);
}

static void check_closing_while_it_streams(struct chain *chain) {
    start(chain, (size_t)read_integer(chain->port, REMOTE_PayloadSize), 3);
    GOOD(gc.TLClose(chain->system));
    GOOD(gc.GCCloseLib());
    GOOD(gc.GCInitLib());
    open_chain(chain, 0);
}

void check_streaming(void) {
    static const int64_t formats[] = {PixelFormat_is_Mono8, PixelFormat_is_Mono10, PixelFormat_is_Mono12,
                                      PixelFormat_is_Mono12p, PixelFormat_is_Mono16, PixelFormat_is_BayerRG12p,
                                      PixelFormat_is_RGB8, PixelFormat_is_RGB12};
    struct chain chain;
    GOOD(gc.GCInitLib());
    open_chain(&chain, 0);
    check_xml(chain.port);
    check_xml(chain.system);
    check_xml(chain.stream);
    write_float(chain.port, REMOTE_AcquisitionFrameRate, 1000.0);
    write_float(chain.port, REMOTE_ExposureTime, 100.0);
    for (int f = 0; f < (int)(sizeof formats / sizeof *formats); f++)
        for (int64_t pattern = 0; pattern <= TestPattern_is_GreyDiagonalRampMoving; pattern++)
            check_format(&chain, formats[f], 1 + (pattern + f) % 3, pattern);
    write_integer(chain.port, REMOTE_PixelFormat, PixelFormat_is_Mono8);
    check_small_buffer(&chain);
    check_underrun(&chain);
    check_closing_while_it_streams(&chain);
    close_chain(&chain);
    GOOD(gc.GCCloseLib());
}
