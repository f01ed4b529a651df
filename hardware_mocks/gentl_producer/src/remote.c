#include "producer.h"

#include <stdio.h>
#include <string.h>

#define INTEGER(name) remote_integer(device, REMOTE_##name)
#define FLOAT(name) remote_float(device, REMOTE_##name)
#define SET(name, value) remote_set_integer(device, REMOTE_##name, value)
#define SET_FLOAT(name, value) register_set_float(&remote_description, device->memory, REMOTE_##name, value)
#define SET_TEXT(name, value) register_set_text(&remote_description, device->memory, REMOTE_##name, value)

int64_t remote_integer(struct device *device, int id) {
    return register_integer(&remote_description, device->memory, id);
}

double remote_float(struct device *device, int id) {
    return register_float(&remote_description, device->memory, id);
}

void remote_set_integer(struct device *device, int id, int64_t value) {
    register_set_integer(&remote_description, device->memory, id, value);
}

uint64_t device_time(const struct device *device, uint64_t at_ns) { return at_ns - device->clock_origin; }

static int64_t width_max(struct device *device) { return INTEGER(SensorWidth) / INTEGER(BinningHorizontal) / 4 * 4; }
static int64_t height_max(struct device *device) { return INTEGER(SensorHeight) / INTEGER(BinningVertical); }

static void full_region(struct device *device) {
    SET(OffsetX, 0);
    SET(OffsetY, 0);
    SET(Width, width_max(device));
    SET(Height, height_max(device));
}

static bool is_saved(int id) { return remote_description.entries[id].flags & REGISTER_SAVED; }

static void copy_saved(uint8_t *to, const uint8_t *from) {
    for (int id = 0; id < REMOTE_COUNT; id++) {
        const struct register_entry *entry = &remote_description.entries[id];
        if (is_saved(id)) memcpy(to + entry->address, from + entry->address, entry->length);
    }
}

/* As a camera does whose settings have become slower. */
static void keep_rate_within_limit(struct device *device) {
    double limit = acquisition_rate_limit(device);
    if (limit < FLOAT(AcquisitionFrameRate)) SET_FLOAT(AcquisitionFrameRate, limit);
}

static void load_defaults(struct device *device) {
    uint8_t initial[REMOTE_MEMORY];
    register_initialise(&remote_description, initial);
    copy_saved(device->memory, initial);
    if (device->config.frames[0]) SET(TestPattern, TestPattern_is_Off);
    full_region(device);
    const char *at = device->config.initial;
    struct config_pair pair;
    double number;
    while (config_next_pair(&at, &pair)) {
        int id = register_named(&remote_description, pair.name, pair.name_length);
        if (!config_number(&pair, &number)) continue;
        if (remote_description.entries[id].kind == KIND_INTEGER) remote_set_integer(device, id, (int64_t)number);
        else register_set_float(&remote_description, device->memory, id, number);
    }
    keep_rate_within_limit(device);
}

static GC_ERROR load_set(struct device *device, int64_t set) {
    if (set == 0) load_defaults(device);
    else if (device->user_set_saved[set - 1]) copy_saved(device->memory, device->user_sets[set - 1]);
    else return fail(GC_ERR_NOT_AVAILABLE, "user set %d was never saved", (int)set);
    device->schedule.stale = true;
    return GC_ERR_SUCCESS;
}

void remote_power_on(struct device *device) {
    register_initialise(&remote_description, device->memory);
    const struct device_config *config = &device->config;
    SET_TEXT(DeviceVendorName, config->vendor);
    SET_TEXT(DeviceModelName, config->model);
    SET_TEXT(DeviceVersion, PRODUCER_VERSION);
    SET_TEXT(DeviceFirmwareVersion, "mock " PRODUCER_VERSION);
    SET_TEXT(DeviceSerialNumber, config->serial);
    SET_TEXT(DeviceManufacturerInfo, "A camera made of software");
    SET_TEXT(DeviceUserID, device->user_id);
    SET_TEXT(SensorFrameFile, config->frames);
    SET(SensorWidth, config->width);
    SET(SensorHeight, config->height);
    SET(UserSetDefault, device->boot_set);
    load_defaults(device);
    if (device->boot_set > 0) load_set(device, device->boot_set);
    device->clock_origin = clock_ns();
}

int format_bits(int64_t format) {
    switch (format) {
    case PixelFormat_is_Mono8:
    case PixelFormat_is_BayerRG8:
    case PixelFormat_is_RGB8:
    case PixelFormat_is_BGR8: return 8;
    case PixelFormat_is_Mono10: return 10;
    case PixelFormat_is_Mono16: return 16;
    default: return 12;
    }
}

int format_channels(int64_t format) {
    return format == PixelFormat_is_RGB8 || format == PixelFormat_is_BGR8 || format == PixelFormat_is_RGB12 ? 3 : 1;
}

bool format_is_packed(int64_t format) {
    return format == PixelFormat_is_Mono12p || format == PixelFormat_is_BayerRG12p;
}

size_t remote_payload_size(struct device *device) {
    int64_t format = INTEGER(PixelFormat);
    size_t image = picture_size(INTEGER(Width) * format_channels(format), INTEGER(Height), format_bits(format),
                                format_is_packed(format));
    size_t padding = (size_t)(INTEGER(Height) * INTEGER(LinePadding));
    return image + padding + chunks_size(chunks_wanted(device));
}

void remote_refresh(struct device *device) {
    uint64_t now = clock_ns();
    SET(WidthMax, width_max(device));
    SET(HeightMax, height_max(device));
    SET(PixelDynamicRangeMax, (INT64_C(1) << format_bits(INTEGER(PixelFormat))) - 1);
    SET(PayloadSize, (int64_t)remote_payload_size(device));
    int64_t format = INTEGER(PixelFormat);
    int64_t samples = INTEGER(Width) * format_channels(format);
    size_t line = picture_size(samples, 1, format_bits(format), format_is_packed(format));
    SET(LinePitch, (int64_t)line + INTEGER(LinePadding));
    SET_FLOAT(AcquisitionFrameRateMax, acquisition_rate_limit(device));
    SET_FLOAT(AcquisitionResultingFrameRate, acquisition_rate(device));
    SET(AcquisitionIsActive, device->acquiring ? 1 : 0);
    bool waits = camera_waits_for_trigger(device, now);
    bool active = INTEGER(AcquisitionStatusSelector) == AcquisitionStatusSelector_is_AcquisitionActive;
    SET(AcquisitionStatus, active ? device->acquiring : waits);
    int64_t left = device->stall_until > now ? (int64_t)((device->stall_until - now) / NS_PER_MS) + 1 : 0;
    SET(FaultStall, left);
    double frequency = FLOAT(LineGeneratorFrequency);
    double phase = frequency * (double)device_time(device, now) * 1e-9;
    SET(LineStatus, frequency > 0.0 && phase - (double)(int64_t)phase < 0.5);
}

/* What the XML says by pIsLocked and pIsAvailable, kept by the camera as well. */
static bool is_locked(struct device *device, int id) {
    if ((remote_description.entries[id].flags & REGISTER_LOCKABLE) && (device->acquiring || INTEGER(TLParamsLocked)))
        return true;
    switch (id) {
    case REMOTE_ExposureTime: return INTEGER(ExposureAuto) != 0 || INTEGER(ExposureMode) != ExposureMode_is_Timed;
    case REMOTE_Gain: return INTEGER(GainAuto) != 0;
    case REMOTE_AcquisitionFrameRate: return INTEGER(AcquisitionFrameRateEnable) == 0;
    case REMOTE_AcquisitionFrameCount: return INTEGER(AcquisitionMode) != AcquisitionMode_is_MultiFrame;
    case REMOTE_UserSetSave: return INTEGER(UserSetSelector) == 0;
    case REMOTE_TriggerSoftware:
        return INTEGER(TriggerMode) == 0 || INTEGER(TriggerSource) != TriggerSource_is_Software;
    default: return false;
    }
}

static bool integer_fits(struct device *device, int id, int64_t value) {
    switch (id) {
    case REMOTE_Width: return value % 4 == 0 && value <= width_max(device) - INTEGER(OffsetX);
    case REMOTE_Height: return value <= height_max(device) - INTEGER(OffsetY);
    case REMOTE_OffsetX: return value % 4 == 0 && value <= width_max(device) - INTEGER(Width);
    case REMOTE_OffsetY: return value <= height_max(device) - INTEGER(Height);
    case REMOTE_PixelFormat:
        return value == PixelFormat_is_Mono8 || value == PixelFormat_is_Mono10 || value == PixelFormat_is_Mono12 ||
               value == PixelFormat_is_Mono12p || value == PixelFormat_is_Mono16 ||
               value == PixelFormat_is_BayerRG8 || value == PixelFormat_is_BayerRG12 ||
               value == PixelFormat_is_BayerRG12p || value == PixelFormat_is_RGB8 || value == PixelFormat_is_BGR8 ||
               value == PixelFormat_is_RGB12;
    default: return true;
    }
}

/* What else happens once an integer has its new value. */
static void after_integer(struct device *device, int id, int64_t value) {
    switch (id) {
    case REMOTE_BinningHorizontal:
    case REMOTE_BinningVertical: full_region(device); break;
    case REMOTE_UserSetDefault: device->boot_set = value; break;
    case REMOTE_ExposureAuto:
        if (value == ExposureAuto_is_Once) SET(ExposureAuto, ExposureAuto_is_Off); /* done at once */
        break;
    case REMOTE_GainAuto:
        if (value == GainAuto_is_Once) SET(GainAuto, GainAuto_is_Off);
        break;
    case REMOTE_FaultStall: device->stall_until = clock_ns() + (uint64_t)value * NS_PER_MS; break;
    case REMOTE_FaultTimestampJump: device->clock_origin -= (uint64_t)value; break;
    case REMOTE_FaultDropNext:
    case REMOTE_FaultDropEvery:
    case REMOTE_FaultIncompleteNext:
    case REMOTE_FaultIncompleteEvery:
    case REMOTE_FaultIncompletePercent:
    case REMOTE_FaultReturnAfter:
    case REMOTE_FaultFrameID:
    case REMOTE_FaultTimestamp:
    case REMOTE_FaultTimestampEvery:
    case REMOTE_FaultPayload:
    case REMOTE_FaultPaddingUntold:
    case REMOTE_TLParamsLocked:
    case REMOTE_UserSetSelector:
    case REMOTE_ChunkSelector:
    case REMOTE_AcquisitionStatusSelector: break;
    default:
        keep_rate_within_limit(device);
        device->schedule.stale = true;
    }
    condition_wake_all(&device->wake);
}

static GC_ERROR write_integer(struct device *device, int id, int64_t value) {
    const struct register_entry *entry = &remote_description.entries[id];
    if ((double)value < entry->low || (double)value > entry->high || !integer_fits(device, id, value))
        return fail(GC_ERR_INVALID_VALUE, "%lld is not a value that register 0x%x takes now", (long long)value,
                    (unsigned)entry->address);
    remote_set_integer(device, id, value);
    after_integer(device, id, value);
    return GC_ERR_SUCCESS;
}

static GC_ERROR write_float(struct device *device, int id, double value) {
    const struct register_entry *entry = &remote_description.entries[id];
    double high = id == REMOTE_AcquisitionFrameRate ? acquisition_rate_limit(device) : entry->high;
    if (!(value >= entry->low && value <= high))
        return fail(GC_ERR_INVALID_VALUE, "%g is outside %g to %g", value, entry->low, high);
    register_set_float(&remote_description, device->memory, id, value);
    device->schedule.stale = true;
    condition_wake_all(&device->wake);
    return GC_ERR_SUCCESS;
}

static GC_ERROR run_command(struct device *device, int id) {
    int64_t set = INTEGER(UserSetSelector);
    switch (id) {
    case REMOTE_UserSetLoad: return load_set(device, set);
    case REMOTE_UserSetSave:
        memcpy(device->user_sets[set - 1], device->memory, REMOTE_MEMORY);
        device->user_set_saved[set - 1] = true;
        return GC_ERR_SUCCESS;
    case REMOTE_TimestampLatch:
        SET(TimestampLatchValue, (int64_t)device_time(device, clock_ns()));
        return GC_ERR_SUCCESS;
    case REMOTE_TimestampReset: device->clock_origin = clock_ns(); return GC_ERR_SUCCESS;
    default: return camera_command(device, id);
    }
}

GC_ERROR remote_written(struct device *device, int id, const uint8_t *value) {
    const struct register_entry *entry = &remote_description.entries[id];
    if (is_locked(device, id))
        return fail(GC_ERR_ACCESS_DENIED, "register 0x%x is locked in this state", (unsigned)entry->address);
    int64_t integer;
    double number;
    memcpy(&integer, value, sizeof integer);
    memcpy(&number, value, sizeof number);
    switch (entry->kind) {
    case KIND_COMMAND: return integer == 1 ? run_command(device, id) : GC_ERR_SUCCESS;
    case KIND_INTEGER: return write_integer(device, id, integer);
    case KIND_FLOAT: return write_float(device, id, number);
    default: register_set_text(&remote_description, device->memory, id, (const char *)value);
    }
    if (id == REMOTE_DeviceUserID) snprintf(device->user_id, sizeof device->user_id, "%s", (const char *)value);
    return GC_ERR_SUCCESS;
}
