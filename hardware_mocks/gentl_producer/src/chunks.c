#include "producer.h"

#include <string.h>

#define IMAGE_CHUNK UINT32_C(0x10000)
#define VALUE_SIZE 8
#define TRAILER_SIZE 8

#define ACTIVE (1 << CHUNK_KINDS)

int chunks_wanted(struct device *device) {
    if (remote_integer(device, REMOTE_ChunkModeActive) == 0) return 0;
    int mask = ACTIVE;
    for (int kind = 0; kind < CHUNK_KINDS; kind++)
        if (remote_integer(device, REMOTE_ChunkEnable_0 + kind)) mask |= 1 << kind;
    return mask;
}

size_t chunks_size(int mask) {
    if (mask == 0) return 0;
    size_t size = TRAILER_SIZE;
    for (int kind = 0; kind < CHUNK_KINDS; kind++)
        if (mask & 1 << kind) size += VALUE_SIZE + TRAILER_SIZE;
    return size;
}

/* Each chunk is followed by its id and its length: big-endian in GigE Vision, little-endian in USB3 Vision. */
static void write_trailer(uint8_t *at, uint32_t id, uint32_t length) {
    bool big = strcmp(library.config.tl_type, "GEV") == 0;
    for (int i = 0; i < 4; i++) {
        int shift = big ? 24 - 8 * i : 8 * i;
        at[i] = (uint8_t)(id >> shift);
        at[4 + i] = (uint8_t)(length >> shift);
    }
}

size_t chunks_append(struct device *device, uint8_t *payload, size_t image_size, uint64_t frame_id,
                     uint64_t timestamp, struct buffer *buffer) {
    int mask = device->chunk_mask;
    if (mask == 0) return image_size;
    size_t at = image_size;
    double exposure = remote_float(device, REMOTE_ExposureTime), gain = remote_float(device, REMOTE_Gain);
    write_trailer(payload + at, IMAGE_CHUNK, (uint32_t)image_size);
    at += TRAILER_SIZE;
    buffer->chunks[buffer->chunk_count++] = (struct chunk_place){IMAGE_CHUNK, 0, image_size};
    for (int kind = 0; kind < CHUNK_KINDS; kind++) {
        if (!(mask & 1 << kind)) continue;
        const void *values[CHUNK_KINDS] = {&timestamp, &frame_id, &exposure, &gain};
        uint32_t id = IMAGE_CHUNK + 1 + (uint32_t)kind;
        memcpy(payload + at, values[kind], VALUE_SIZE);
        buffer->chunks[buffer->chunk_count++] = (struct chunk_place){id, (ptrdiff_t)at, VALUE_SIZE};
        write_trailer(payload + at + VALUE_SIZE, id, VALUE_SIZE);
        at += VALUE_SIZE + TRAILER_SIZE;
    }
    return at;
}
