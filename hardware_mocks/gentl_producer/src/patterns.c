#include "patterns.h"

#include "register_map.h"

#include <stdlib.h>
#include <string.h>

#define PADDING 165 /* no pixel; a reader that takes it for one shows stripes */

/* A moving pattern's value at sensor pixel (u, v) of frame k is (a u + b v + c k) modulo 2^bits. */
struct slope {
    unsigned a, b, c;
};

static struct slope slope_of(int pattern) {
    switch (pattern) {
    case TestPattern_is_GreyHorizontalRamp: return (struct slope){1, 0, 0};
    case TestPattern_is_GreyVerticalRamp: return (struct slope){0, 1, 0};
    case TestPattern_is_GreyHorizontalRampMoving: return (struct slope){1, 0, 1};
    case TestPattern_is_GreyVerticalRampMoving: return (struct slope){0, 1, 1};
    case TestPattern_is_GreyDiagonalRampMoving: return (struct slope){1, 1, 1};
    default: return (struct slope){0, 0, 0};
    }
}

static size_t row_size(int64_t samples, int bits, bool packed) {
    size_t count = (size_t)samples;
    return packed ? count * 3 / 2 : bits == 8 ? count : count * 2;
}

size_t picture_size(int64_t samples, int64_t height, int bits, bool packed) {
    return row_size(samples, bits, packed) * (size_t)height;
}

/* Values as they lie in a buffer. PFNC ...12p: pixel 0 in byte 0 and the low half of byte 1. Widths are even. */
static void store(const uint16_t *values, size_t count, int bits, bool packed, uint8_t *out) {
    if (packed) {
        for (size_t i = 0; i + 1 < count; i += 2, out += 3) {
            out[0] = (uint8_t)values[i];
            out[1] = (uint8_t)((values[i] >> 8) | ((values[i + 1] & 0x0F) << 4));
            out[2] = (uint8_t)(values[i + 1] >> 4);
        }
    } else if (bits == 8) {
        for (size_t i = 0; i < count; i++) out[i] = (uint8_t)values[i];
    } else {
        for (size_t i = 0; i < count; i++, out += 2) {
            out[0] = (uint8_t)values[i];
            out[1] = (uint8_t)(values[i] >> 8);
        }
    }
}

static uint8_t *make_ramp(const struct picture *picture, unsigned from) {
    size_t period = (size_t)1 << picture->bits;
    size_t count = period + (size_t)picture->width;
    uint16_t *values = malloc(count * sizeof *values);
    uint8_t *ramp = malloc(row_size((int64_t)count, picture->bits, picture->packed));
    if (values && ramp) {
        for (size_t i = 0; i < count; i++) values[i] = (uint16_t)((i + from) & (period - 1));
        store(values, count, picture->bits, picture->packed, ramp);
    } else {
        free(ramp);
        ramp = NULL;
    }
    free(values);
    return ramp;
}

bool picture_prepare(struct picture *picture) {
    size_t width = (size_t)picture->width;
    picture->ramp = make_ramp(picture, 0);
    picture->ramp_odd = picture->packed ? make_ramp(picture, 1) : NULL;
    picture->row = malloc(width * (size_t)picture->channels * sizeof *picture->row);
    picture->sums = malloc(width * sizeof *picture->sums);
    return picture->ramp && picture->row && picture->sums && (!picture->packed || picture->ramp_odd);
}

void picture_release(struct picture *picture) {
    free(picture->ramp);
    free(picture->ramp_odd);
    free(picture->row);
    free(picture->sums);
    free(picture->file);
    memset(picture, 0, sizeof *picture);
}

static unsigned sensor_value(const struct picture *picture, struct slope slope, uint64_t frame, uint64_t u,
                             uint64_t v) {
    unsigned mask = (1u << picture->bits) - 1;
    if (picture->pattern == TestPattern_is_White) return mask;
    if (picture->pattern == TestPattern_is_Black) return 0;
    if (picture->pattern == TestPattern_is_Off) {
        if (picture->frame_count == 0) return 0;
        const uint8_t *image = picture->frames + (frame % picture->frame_count) * picture->frame_size;
        return (unsigned)image[v * (uint64_t)picture->sensor_width + u] << (picture->bits - 8);
    }
    return (unsigned)(slope.a * u + slope.b * v + slope.c * frame) & mask;
}

/* Any row, one pixel at a time. */
static void draw_row(const struct picture *picture, struct slope slope, uint64_t frame, int64_t y, uint8_t *out) {
    uint32_t highest = (1u << picture->bits) - 1;
    uint32_t area = (uint32_t)(picture->binning_x * picture->binning_y);
    memset(picture->sums, 0, (size_t)picture->width * sizeof *picture->sums);
    for (int j = 0; j < picture->binning_y; j++) {
        uint64_t v = (uint64_t)((picture->offset_y + y) * picture->binning_y + j);
        for (int64_t x = 0; x < picture->width; x++)
            for (int i = 0; i < picture->binning_x; i++) {
                uint64_t u = (uint64_t)((picture->offset_x + x) * picture->binning_x + i);
                picture->sums[x] += sensor_value(picture, slope, frame, u, v);
            }
    }
    for (int64_t x = 0; x < picture->width; x++) {
        uint32_t sum = picture->binning_sums ? picture->sums[x] : picture->sums[x] / area;
        picture->row[x] = (uint16_t)(sum > highest ? highest : sum);
    }
    /* In colour sample c of a pixel is its value and c quarters of the whole range, from the last pixel on. */
    int channels = picture->channels;
    for (int64_t x = channels > 1 ? picture->width - 1 : -1; x >= 0; x--)
        for (int c = channels - 1; c >= 0; c--)
            picture->row[x * channels + c] =
                (uint16_t)((picture->row[x] + ((uint32_t)c << (picture->bits - 2))) & highest);
    store(picture->row, (size_t)(picture->width * channels), picture->bits, picture->packed, out);
}

/* A row of an unbinned horizontal or diagonal ramp is a piece of the prepared one. */
static void copy_ramp(const struct picture *picture, struct slope slope, uint64_t frame, int64_t y, uint8_t *out,
                      size_t row) {
    uint64_t start = (uint64_t)picture->offset_x + slope.b * (uint64_t)(picture->offset_y + y) + slope.c * frame;
    size_t phase = (size_t)(start & ((UINT64_C(1) << picture->bits) - 1));
    const uint8_t *ramp = picture->ramp;
    if (picture->packed) {
        if (phase % 2) ramp = picture->ramp_odd;
        ramp += phase / 2 * 3;
    } else {
        ramp += picture->bits == 8 ? phase : phase * 2;
    }
    memcpy(out, ramp, row);
}

static void draw_stamp(const struct picture *picture, uint64_t frame, uint8_t *out) {
    uint16_t values[24];
    int count = 8 * picture->channels;
    for (int i = 0; i < count; i++) values[i] = (uint16_t)((frame >> (8 * (i / picture->channels))) & 0xFF);
    store(values, (size_t)count, picture->bits, picture->packed, out);
}

void picture_draw(const struct picture *picture, uint64_t frame, uint8_t *out) {
    struct slope slope = slope_of(picture->pattern);
    size_t row = row_size(picture->width * picture->channels, picture->bits, picture->packed);
    bool coloured = picture->channels > 1;
    bool binned = picture->binning_x > 1 || picture->binning_y > 1;
    bool from_file = picture->pattern == TestPattern_is_Off && picture->frame_count > 0;
    for (int64_t y = 0; y < picture->height; y++) {
        uint8_t *target = out + (size_t)y * (row + (size_t)picture->padding);
        memset(target + row, PADDING, (size_t)picture->padding);
        if (coloured) {
            draw_row(picture, slope, frame, y, target);
        } else if (!binned && slope.a) {
            copy_ramp(picture, slope, frame, y, target, row);
        } else if (!binned && from_file && picture->bits == 8) {
            const uint8_t *image = picture->frames + (frame % picture->frame_count) * picture->frame_size;
            memcpy(target, image + (picture->offset_y + y) * picture->sensor_width + picture->offset_x, row);
        } else if (!binned && !from_file) {
            uint64_t v = (uint64_t)(picture->offset_y + y);
            uint16_t value = (uint16_t)sensor_value(picture, slope, frame, 0, v);
            for (int64_t x = 0; x < picture->width; x++) picture->row[x] = value;
            store(picture->row, (size_t)picture->width, picture->bits, picture->packed, target);
        } else {
            draw_row(picture, slope, frame, y, target);
        }
    }
    if (picture->stamp) draw_stamp(picture, frame, out);
}
