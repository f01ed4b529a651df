#include "producer.h"

#include <string.h>

#define INTEGER(name) remote_integer(device, REMOTE_##name)
#define FLOAT(name) remote_float(device, REMOTE_##name)

/* How far the thread may lag (the machine was busy, the process stopped) before frames are given up. */
#define LAG_LIMIT NS_PER_S

static void count_up(struct device *device, int id, int64_t more) {
    remote_set_integer(device, id, remote_integer(device, id) + more);
}

double acquisition_rate_limit(struct device *device) {
    double limit = device->config.max_fps;
    if (INTEGER(DeviceLinkThroughputLimitMode)) {
        double by_link = (double)INTEGER(DeviceLinkThroughputLimit) / (double)remote_payload_size(device);
        if (by_link < limit) limit = by_link;
    }
    return limit;
}

double acquisition_rate(struct device *device) {
    double rate = acquisition_rate_limit(device);
    double by_exposure = 1e6 / FLOAT(ExposureTime);
    if (by_exposure < rate) rate = by_exposure;
    bool free_running = INTEGER(TriggerMode) == 0;
    if (free_running && INTEGER(AcquisitionFrameRateEnable) && FLOAT(AcquisitionFrameRate) < rate)
        rate = FLOAT(AcquisitionFrameRate);
    return rate;
}

static bool line_runs(struct device *device) {
    return INTEGER(TriggerSource) == TriggerSource_is_Line1 && FLOAT(LineGeneratorFrequency) > 0.0;
}

static double period_ns(struct device *device) {
    if (INTEGER(TriggerMode) == 0) return 1e9 / acquisition_rate(device) * FLOAT(FaultPeriodFactor);
    double period = 1e9 / FLOAT(LineGeneratorFrequency);
    return INTEGER(TriggerActivation) == TriggerActivation_is_AnyEdge ? period / 2.0 : period;
}

static uint64_t due_at(const struct schedule *schedule, double period) {
    return schedule->origin + (uint64_t)((double)schedule->index * period);
}

static void reschedule(struct device *device, double period, uint64_t now) {
    struct schedule *schedule = &device->schedule;
    schedule->stale = false;
    if (INTEGER(TriggerMode)) { /* the generator runs by the device's clock, acquisition or not */
        bool falling = INTEGER(TriggerActivation) == TriggerActivation_is_FallingEdge;
        uint64_t since = device_time(device, now);
        schedule->origin = now - since + (falling ? (uint64_t)(period / 2.0) : 0);
        schedule->index = (uint64_t)((double)since / period) + 1;
    } else if (!device->first_frame && device->last_due + (uint64_t)period >= now) {
        schedule->origin = device->last_due;
        schedule->index = 1;
    } else {
        schedule->origin = now;
        schedule->index = 0;
    }
}

/* How long after the beginning of its exposure a frame arrives. */
static uint64_t arrival_delay(struct device *device) {
    return (uint64_t)(FLOAT(ExposureTime) * 1e3) + (uint64_t)INTEGER(FaultDelay) * NS_PER_MS;
}

/* When the next frame's exposure begins; false where only a trigger can tell. */
static bool next_due(struct device *device, uint64_t now, uint64_t *due) {
    bool triggered = INTEGER(TriggerMode) != 0;
    if (triggered && device->trigger_pending) {
        *due = device->trigger_due;
        return true;
    }
    if (triggered && !line_runs(device)) return false;
    double period = period_ns(device);
    struct schedule *schedule = &device->schedule;
    if (schedule->stale) reschedule(device, period, now);
    if (triggered && !device->first_frame) { /* edges that come too soon are lost */
        uint64_t earliest = device->last_due + (uint64_t)(1e9 / acquisition_rate(device));
        while (due_at(schedule, period) < earliest) schedule->index++;
    }
    *due = due_at(schedule, period);
    uint64_t arrives = *due + arrival_delay(device);
    if (now > LAG_LIMIT && arrives < now - LAG_LIMIT) {
        uint64_t given_up = (uint64_t)((double)(now - arrives) / period);
        schedule->index += given_up;
        device->next_frame += given_up;
        count_up(device, REMOTE_FaultFramesGenerated, (int64_t)given_up);
        count_up(device, REMOTE_FaultFramesDropped, (int64_t)given_up);
        *due = due_at(schedule, period);
    }
    return true;
}

static bool take_fault(struct device *device, int next, int every, uint64_t frame) {
    if (remote_integer(device, next) > 0) {
        count_up(device, next, -1);
        return true;
    }
    int64_t k = remote_integer(device, every);
    return k > 0 && (frame + 1) % (uint64_t)k == 0;
}

static void describe_time(struct device *device, struct buffer *buffer, uint64_t frame, uint64_t timestamp) {
    buffer->timestamp = timestamp;
    buffer->has_timestamp = true;
    if ((frame + 1) % (uint64_t)INTEGER(FaultTimestampEvery) != 0) return;
    switch (INTEGER(FaultTimestamp)) {
    case FaultTimestamp_is_Zero: buffer->timestamp = 0; break;
    case FaultTimestamp_is_AllOnes: buffer->timestamp = UINT64_MAX; break;
    case FaultTimestamp_is_Constant: buffer->timestamp = NS_PER_S; break;
    case FaultTimestamp_is_SecondBack: buffer->timestamp = timestamp - NS_PER_S; break;
    case FaultTimestamp_is_Microseconds: buffer->timestamp = timestamp / 1000; break;
    case FaultTimestamp_is_Missing: buffer->has_timestamp = false; break;
    default: break;
    }
}

static void describe(struct device *device, struct buffer *buffer, uint64_t frame, uint64_t timestamp) {
    const struct picture *picture = &device->picture;
    buffer->frame_id = INTEGER(FaultFrameID) == FaultFrameID_is_Constant ? 7 : frame;
    buffer->has_id = INTEGER(FaultFrameID) != FaultFrameID_is_Missing;
    describe_time(device, buffer, frame, timestamp);
    buffer->padding = picture->padding;
    buffer->tells_padding = INTEGER(FaultPaddingUntold) == 0;
    buffer->width = picture->width;
    buffer->height = picture->height;
    buffer->offset_x = picture->offset_x;
    buffer->offset_y = picture->offset_y;
    buffer->pixel_format = INTEGER(PixelFormat);
    int64_t samples = picture->width * picture->channels;
    buffer->image_size = picture_size(samples, picture->height, picture->bits, picture->packed) +
                         (size_t)(picture->height * picture->padding);
    buffer->chunk_count = 0;
}

/* Draw with the lock given up: `drawing` and the buffer's state keep both alive meanwhile. */
static void fill(struct device *device, struct buffer *buffer, uint64_t frame, uint64_t timestamp, bool incomplete) {
    struct picture picture = device->picture;
    picture.pattern = (int)INTEGER(TestPattern);
    picture.stamp = INTEGER(FrameStampEnable) != 0;
    size_t payload = device->payload, arrived = payload;
    if (incomplete) arrived = payload * (size_t)INTEGER(FaultIncompletePercent) / 100;
    int64_t wrong = INTEGER(FaultPayload); /* of these bytes nothing says that they are missing */
    if (!incomplete) arrived = wrong < 0 && (size_t)-wrong > payload ? 0 : (size_t)((int64_t)payload + wrong);
    buffer->larger_than_buffer = arrived > buffer->size || payload > buffer->size;
    if (arrived > buffer->size) arrived = buffer->size;
    uint8_t *target = arrived < payload ? device->scratch : buffer->memory;
    describe(device, buffer, frame, timestamp);
    buffer->state = BUFFER_FILLING;
    device->drawing = true;
    mutex_unlock(&library.lock);
    picture_draw(&picture, frame, target);
    mutex_lock(&library.lock);
    chunks_append(device, target, buffer->image_size, frame, timestamp, buffer);
    if (target != buffer->memory) memcpy(buffer->memory, target, arrived);
    size_t row = buffer->image_size / (size_t)buffer->height;
    size_t image = arrived < buffer->image_size ? arrived : buffer->image_size;
    buffer->delivered_height = image / row;
    buffer->incomplete = arrived < payload && (incomplete || buffer->larger_than_buffer);
    if (arrived < payload) buffer->chunk_count = 0;
    buffer->filled = arrived;
    buffer->new_data = true;
    device->drawing = false;
    condition_wake_all(&device->idle);
}

static void deliver(struct device *device, uint64_t frame, uint64_t timestamp) {
    struct stream *stream = &device->stream;
    if (!stream->handle || !stream->grabbing) return; /* the camera sends, nobody listens */
    stream->started++;
    struct buffer *buffer = queue_pop(&stream->input);
    if (!buffer) {
        stream->underruns++;
        count_up(device, REMOTE_FaultFramesUnderrun, 1);
        return;
    }
    bool incomplete = take_fault(device, REMOTE_FaultIncompleteNext, REMOTE_FaultIncompleteEvery, frame);
    fill(device, buffer, frame, timestamp, incomplete);
    if (!stream->handle || !stream->grabbing || device->dead) { /* stopped while it was drawn */
        buffer->state = BUFFER_INPUT;
        buffer->new_data = false;
        queue_push(&stream->input, buffer);
        return;
    }
    if (incomplete) count_up(device, REMOTE_FaultFramesIncomplete, 1);
    stream_deliver(stream, buffer);
}

static void make_frame(struct device *device, uint64_t due) {
    uint64_t frame = device->next_frame++;
    if (device->trigger_pending && INTEGER(TriggerMode)) device->trigger_pending = false;
    else device->schedule.index++;
    device->last_due = due;
    device->first_frame = false;
    count_up(device, REMOTE_FaultFramesGenerated, 1);
    if (device->frames_left > 0 && --device->frames_left == 0) device->acquiring = false;
    bool dropped = take_fault(device, REMOTE_FaultDropNext, REMOTE_FaultDropEvery, frame);
    if (dropped || due < device->stall_until) count_up(device, REMOTE_FaultFramesDropped, 1);
    else deliver(device, frame, device_time(device, due));
}

void acquisition_run(void *argument) {
    struct device *device = argument;
    mutex_lock(&library.lock);
    while (!device->quit) {
        uint64_t due, now = clock_ns();
        if (!device->acquiring || !next_due(device, now, &due)) {
            condition_wait_until(&device->wake, &library.lock, FOREVER);
            continue;
        }
        /* A frame can arrive only once it is exposed. Due times come from the schedule, not from the last
         * frame, so that late wake-ups never add up. */
        uint64_t ready = due + arrival_delay(device);
        if (now < ready) condition_wait_until(&device->wake, &library.lock, ready);
        else make_frame(device, due);
    }
    mutex_unlock(&library.lock);
}
