/* The producer's own objects. One lock guards all of them (library_enter); the frame thread of a device gives it
 * up while it waits and while it draws into a buffer, EventGetData while it waits. Whoever needs an object
 * after such a wait keeps it alive through its count of pins. */
#ifndef PRODUCER_H
#define PRODUCER_H

#include "config.h"
#include "gentl.h"
#include "patterns.h"
#include "platform.h"
#include "register_map.h"
#include "registers.h"

#define PRODUCER_VERSION "1.0.0"
#define PRODUCER_VENDOR "RheedAcquire"
#define PRODUCER_MODEL "RheedMockProducer"
#define SYSTEM_ID "rheed_mock"
#define INTERFACE_ID "rheed_mock_interface_0"
#define STREAM_ID "stream_0"
#define CHUNK_KINDS 4

enum handle_kind {
    HANDLE_SYSTEM = 1,
    HANDLE_INTERFACE = 2,
    HANDLE_DEVICE = 4,
    HANDLE_REMOTE = 8,
    HANDLE_STREAM = 16,
    HANDLE_BUFFER = 32,
    HANDLE_EVENT = 64
};
#define HANDLE_PORTS (HANDLE_SYSTEM | HANDLE_INTERFACE | HANDLE_DEVICE | HANDLE_REMOTE | HANDLE_STREAM)

enum buffer_state { BUFFER_IDLE, BUFFER_INPUT, BUFFER_FILLING, BUFFER_OUTPUT };

struct stream;
struct device;

struct buffer {
    struct stream *stream;
    gc_handle handle;
    uint8_t *memory;
    size_t size;
    void *user;
    bool owned;
    enum buffer_state state;
    struct buffer *next;           /* in the queue it is in */
    struct buffer *next_announced; /* of the stream */
    /* of the frame it holds */
    bool new_data, incomplete, larger_than_buffer, has_id, has_timestamp, tells_padding;
    size_t filled;
    uint64_t frame_id, timestamp;
    int64_t width, height, offset_x, offset_y, pixel_format, padding;
    size_t image_size;
    size_t delivered_height;
    int chunk_count;
    struct chunk_place chunks[CHUNK_KINDS + 1];
};

struct queue {
    struct buffer *first, *last;
    size_t count;
};

struct event_data {
    uint64_t number;
    char id[24];
    char value[104];
    uint64_t value_size;
};
#define EVENT_QUEUE 16

struct event {
    struct event *next;
    gc_handle handle, source;
    gc_number type;
    struct stream *stream; /* of EVENT_NEW_BUFFER: its data are the stream's output queue */
    struct event_data data[EVENT_QUEUE];
    int first, count;
    uint64_t fired;
    int kills, pins;
    bool dead;
    condition_type changed;
};

struct stream {
    struct device *device;
    gc_handle handle; /* NULL while closed */
    bool closing;
    struct buffer *announced;
    size_t announced_count;
    struct queue input, output;
    bool grabbing;
    uint64_t to_acquire, started, delivered, underruns;
    struct event *new_buffer;
};

/* Whether a device is plugged in. Closing the library does not plug it in again. */
struct plug {
    char serial[64];
    bool absent;
    uint64_t return_at;
};

struct schedule { /* frames are due at origin + index * period */
    uint64_t origin, index;
    bool stale; /* a register that decides it was written */
};

struct device {
    struct device_config config;
    char id[80];
    int number;
    unsigned char *xml; /* with the features' other names; NULL where none has one */
    size_t xml_size;
    bool listed;
    uint8_t memory[REMOTE_MEMORY];
    uint8_t user_sets[2][REMOTE_MEMORY];
    bool user_set_saved[2];
    int64_t boot_set;
    char user_id[64];
    int64_t stream_selector;

    gc_handle handle, remote; /* NULL while closed */
    gc_number access;
    bool opened; /* true until its last close is over */
    bool dead;   /* the device was lost since it was opened */
    struct plug *plug;
    int pins;

    thread_type thread;
    bool quit, drawing;
    condition_type wake, idle;

    uint64_t clock_origin; /* clock_ns() - clock_origin is the device's time */
    bool acquiring;
    int64_t frames_left; /* of this acquisition; -1 for no end */
    uint64_t next_frame, last_due, stall_until;
    bool first_frame;
    struct schedule schedule;
    bool trigger_pending;
    uint64_t trigger_due;
    struct picture picture;
    uint8_t *scratch;
    size_t payload;  /* of the acquisition that runs */
    int chunk_mask; /* likewise */

    struct stream stream;
};

struct library {
    mutex_type lock;
    condition_type closed; /* a device's close is over */
    bool initialised, closing;
    struct config config;
    struct device *devices;
    gc_handle system, interface_;
    bool interface_listed;
    int64_t device_selector;
    struct event *events;
};
extern struct library library;

/* errors.c */
GC_ERROR fail(GC_ERROR code, const char *format, ...);
GC_ERROR answer(GC_ANSWER, gc_number kind, const void *data, size_t data_size);
GC_ERROR answer_text(GC_ANSWER, const char *text);
GC_ERROR answer_bool(GC_ANSWER, bool value);
GC_ERROR answer_int32(GC_ANSWER, int32_t value);
GC_ERROR answer_uint32(GC_ANSWER, uint32_t value);
GC_ERROR answer_uint64(GC_ANSWER, uint64_t value);
GC_ERROR answer_size(GC_ANSWER, size_t value);
GC_ERROR answer_pointer(GC_ANSWER, const void *value);
/* For functions that return a text without a type. */
GC_ERROR give_text(char *target, size_t *size, const char *text);

/* library.c: every exported function runs between these two. */
GC_ERROR library_enter(void);
void library_leave(void);
#define ENTERED(call)                      \
    do {                                   \
        GC_ERROR result_ = library_enter(); \
        if (result_ == GC_ERR_SUCCESS) {   \
            result_ = (call);              \
            library_leave();               \
        }                                  \
        return result_;                    \
    } while (0)

/* handles.c */
gc_handle handle_create(enum handle_kind kind, void *object);
void handle_remove(gc_handle handle);
/* The object of a handle of one of `kinds`, or NULL with the error set. */
void *handle_object(gc_handle handle, int kinds);
int handle_kind_of(gc_handle handle); /* 0 if it is none */
void handles_forget_all(void);

/* tl.c, interface.c */
GC_ERROR answer_system(gc_number command, GC_ANSWER);
GC_ERROR system_close(void);
GC_ERROR answer_interface(gc_number command, GC_ANSWER);
GC_ERROR interface_open(gc_handle *interface_);
void interface_close(void);
bool interface_update(void);
struct device *interface_device_at(int64_t index);

/* device.c */
void device_create(struct device *device, int number);
void device_forget(struct device *device);
GC_ERROR device_open(struct device *device, gc_number access, gc_handle *handle);
void device_close(struct device *device);
bool device_is_present(struct device *device);
void device_lose(struct device *device, int64_t return_after_ms);
/* GC_ERR_IO once the device was lost under its handle. */
GC_ERROR device_alive(struct device *device);
gc_number device_access_status(struct device *device);
GC_ERROR answer_device(struct device *device, gc_number command, GC_ANSWER);
void device_wait_idle(struct device *device);

/* remote.c: the camera's registers */
void remote_power_on(struct device *device);
void remote_refresh(struct device *device);
GC_ERROR remote_written(struct device *device, int id, const uint8_t *value);
int64_t remote_integer(struct device *device, int id);
double remote_float(struct device *device, int id);
void remote_set_integer(struct device *device, int id, int64_t value);
size_t remote_payload_size(struct device *device);

/* Of a pixel format: bits of a sample, samples of a pixel, whether two samples lie in three bytes. */
int format_bits(int64_t format);
int format_channels(int64_t format);
bool format_is_packed(int64_t format);
uint64_t device_time(const struct device *device, uint64_t at_ns);

/* xml.c: the remote device's XML with features under other names; NULL without memory */
unsigned char *xml_renamed(const struct description *description, const char *renames, size_t *size);

/* camera.c: what the camera does on command */
GC_ERROR camera_command(struct device *device, int id);
void camera_trigger(struct device *device, uint64_t now);
bool camera_waits_for_trigger(struct device *device, uint64_t now);
void camera_stop(struct device *device);

/* acquisition.c: the frame thread */
void acquisition_run(void *device);
double acquisition_rate(struct device *device);
/* What the sensor and the link allow, whatever frame rate is asked for. */
double acquisition_rate_limit(struct device *device);

/* chunks.c */
/* Which chunks the registers ask for; 0 is none at all. */
int chunks_wanted(struct device *device);
size_t chunks_size(int mask);
size_t chunks_append(struct device *device, uint8_t *payload, size_t image_size, uint64_t frame_id,
                     uint64_t timestamp, struct buffer *buffer);

/* stream.c */
GC_ERROR stream_open(struct device *device, gc_handle *handle);
void stream_close(struct stream *stream);
void queue_push(struct queue *queue, struct buffer *buffer);
struct buffer *queue_pop(struct queue *queue);
void stream_discard(struct queue *queue);
void stream_deliver(struct stream *stream, struct buffer *buffer);

/* events.c */
void events_close_source(gc_handle source);
void events_fire(gc_handle source, gc_number type, uint64_t number, const char *id, const void *value,
                 size_t value_size);

/* own_registers.c: the producer's own four ports */
GC_ERROR own_read(int kind, void *object, int id, uint8_t value[1024]);
GC_ERROR own_write(int kind, void *object, int id, int64_t value);

#endif
