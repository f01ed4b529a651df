#include "producer.h"

#include <stdio.h>
#include <stdlib.h>

#define INTEGER(name) remote_integer(device, REMOTE_##name)

void camera_stop(struct device *device) {
    device->acquiring = false;
    device->trigger_pending = false;
    condition_wake_all(&device->wake);
}

/* Frames of the file named by SensorFrameFile, all in memory: reading must never delay a frame. */
static GC_ERROR load_frames(struct device *device, struct picture *picture) {
    const char *path = register_text(&remote_description, device->memory, REMOTE_SensorFrameFile);
    if (path[0] == '\0') return GC_ERR_SUCCESS;
    picture->frame_size = (size_t)(INTEGER(SensorWidth) * INTEGER(SensorHeight));
    FILE *file = fopen(path, "rb");
    if (!file) return fail(GC_ERR_IO, "SensorFrameFile %.200s cannot be opened", path);
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    bool whole = size > 0 && (size_t)size % picture->frame_size == 0 && fseek(file, 0, SEEK_SET) == 0;
    if (whole) picture->file = malloc((size_t)size);
    bool good = picture->file && fread(picture->file, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    if (!good)
        return fail(GC_ERR_IO, "SensorFrameFile %.200s is not raw 8-bit frames of %d x %d", path,
                    (int)INTEGER(SensorWidth), (int)INTEGER(SensorHeight));
    picture->frames = picture->file;
    picture->frame_count = (uint64_t)size / picture->frame_size;
    return GC_ERR_SUCCESS;
}

static GC_ERROR prepare_picture(struct device *device) {
    struct picture *picture = &device->picture;
    picture_release(picture);
    int64_t format = INTEGER(PixelFormat);
    *picture = (struct picture){
        .width = INTEGER(Width),
        .height = INTEGER(Height),
        .offset_x = INTEGER(OffsetX),
        .offset_y = INTEGER(OffsetY),
        .sensor_width = INTEGER(SensorWidth),
        .binning_x = (int)INTEGER(BinningHorizontal),
        .binning_y = (int)INTEGER(BinningVertical),
        .binning_sums = INTEGER(BinningMode) == BinningMode_is_Sum,
        .bits = format_bits(format),
        .channels = format_channels(format),
        .packed = format_is_packed(format),
        .padding = INTEGER(LinePadding),
    };
    GC_ERROR result = load_frames(device, picture);
    if (result != GC_ERR_SUCCESS) return result;
    device->payload = remote_payload_size(device);
    device->chunk_mask = chunks_wanted(device);
    free(device->scratch);
    device->scratch = malloc(device->payload);
    if (!device->scratch || !picture_prepare(picture)) return fail(GC_ERR_OUT_OF_MEMORY, "no memory to draw in");
    return GC_ERR_SUCCESS;
}

static GC_ERROR start(struct device *device) {
    device_wait_idle(device); /* a frame of the acquisition before may still be drawn */
    if (!device->handle) return fail(GC_ERR_ABORT, "the device was closed meanwhile");
    if (device->acquiring) return GC_ERR_SUCCESS;
    GC_ERROR result = prepare_picture(device);
    if (result != GC_ERR_SUCCESS) return result;
    int64_t mode = INTEGER(AcquisitionMode);
    device->frames_left = mode == AcquisitionMode_is_Continuous    ? -1
                          : mode == AcquisitionMode_is_SingleFrame ? 1
                                                                   : INTEGER(AcquisitionFrameCount);
    device->next_frame = 0;
    device->first_frame = true;
    device->trigger_pending = false;
    device->schedule.stale = true;
    remote_set_integer(device, REMOTE_FaultFramesGenerated, 0);
    remote_set_integer(device, REMOTE_FaultFramesDropped, 0);
    remote_set_integer(device, REMOTE_FaultFramesIncomplete, 0);
    remote_set_integer(device, REMOTE_FaultFramesUnderrun, 0);
    device->acquiring = true;
    condition_wake_all(&device->wake);
    return GC_ERR_SUCCESS;
}

bool camera_waits_for_trigger(struct device *device, uint64_t now) {
    if (!device->acquiring || INTEGER(TriggerMode) == 0 || device->trigger_pending) return false;
    double exposure_ns = remote_float(device, REMOTE_ExposureTime) * 1e3;
    return device->first_frame || now >= device->last_due + (uint64_t)exposure_ns;
}

/* A trigger that comes while a frame is exposed, or waits to be, is lost, as with a real camera. */
void camera_trigger(struct device *device, uint64_t now) {
    if (!camera_waits_for_trigger(device, now)) return;
    device->trigger_pending = true;
    device->trigger_due = now + (uint64_t)(remote_float(device, REMOTE_TriggerDelay) * 1e3);
    condition_wake_all(&device->wake);
}

GC_ERROR camera_command(struct device *device, int id) {
    switch (id) {
    case REMOTE_AcquisitionStart: return start(device);
    case REMOTE_AcquisitionStop:
    case REMOTE_AcquisitionAbort: camera_stop(device); break;
    case REMOTE_TriggerSoftware: camera_trigger(device, clock_ns()); break;
    case REMOTE_LinePulse:
        if (INTEGER(TriggerSource) == TriggerSource_is_Line1) camera_trigger(device, clock_ns());
        break;
    case REMOTE_DeviceReset:
    case REMOTE_FaultLoseDevice: device_lose(device, INTEGER(FaultReturnAfter)); break;
    default: return fail(GC_ERR_NOT_IMPLEMENTED, "this command does nothing");
    }
    return GC_ERR_SUCCESS;
}
