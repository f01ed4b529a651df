/* What the camera sees: test patterns and frames from a file, in any pixel format, region and binning. */
#ifndef PATTERNS_H
#define PATTERNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Everything that decides the pixels of frame k; fixed from AcquisitionStart on, except the last three. */
struct picture {
    int64_t width, height, offset_x, offset_y; /* of the region, in binned pixels */
    int64_t sensor_width;
    int binning_x, binning_y;
    bool binning_sums;
    int bits;     /* of a sample */
    int channels; /* samples of a pixel: 3 in colour */
    bool packed;  /* two samples in three bytes */
    int64_t padding; /* bytes behind each line */
    const uint8_t *frames;
    uint64_t frame_count;
    size_t frame_size;
    uint8_t *ramp, *ramp_odd; /* values 0, 1, 2 ... (and from 1, packed) as they lie in a buffer */
    uint16_t *row;
    uint32_t *sums;
    uint8_t *file;
    int pattern;
    bool stamp;
};

/* Bytes of the samples of `width` pixels times `channels`, and `height` lines. */
size_t picture_size(int64_t samples, int64_t height, int bits, bool packed);

/* Allocate what drawing needs; false without memory. */
bool picture_prepare(struct picture *picture);
void picture_release(struct picture *picture);

/* Draw frame `frame` into `out`, which has room for picture_size bytes. */
void picture_draw(const struct picture *picture, uint64_t frame, uint8_t *out);

#endif
