#include "producer.h"

#include <stdlib.h>
#include <string.h>

static struct event *find(gc_handle source, gc_number type) {
    for (struct event *event = library.events; event; event = event->next)
        if (event->source == source && event->type == type) return event;
    return NULL;
}

static GC_ERROR register_event(gc_handle source, gc_number type, gc_handle *handle) {
    int kind = handle_kind_of(source);
    if (!(kind & HANDLE_PORTS)) {
        handle_object(source, HANDLE_PORTS);
        return GC_ERR_INVALID_HANDLE;
    }
    if (!handle) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the handle is NULL");
    bool known = (type == EVENT_NEW_BUFFER && kind == HANDLE_STREAM) || type == EVENT_ERROR ||
                 (type == EVENT_MODULE && kind != HANDLE_REMOTE);
    if (!known) return fail(GC_ERR_NOT_IMPLEMENTED, "this module has no event of type %d", (int)type);
    if (find(source, type)) return fail(GC_ERR_RESOURCE_IN_USE, "event %d is registered here", (int)type);
    struct event *event = calloc(1, sizeof *event);
    if (event) event->handle = handle_create(HANDLE_EVENT, event);
    if (!event || !event->handle) {
        free(event);
        return fail(GC_ERR_OUT_OF_MEMORY, "no memory for an event");
    }
    event->source = source;
    event->type = type;
    condition_create(&event->changed);
    if (type == EVENT_NEW_BUFFER) {
        event->stream = handle_object(source, HANDLE_STREAM);
        event->stream->new_buffer = event;
    }
    event->next = library.events;
    library.events = event;
    *handle = event->handle;
    return GC_ERR_SUCCESS;
}

GC_API GCRegisterEvent(gc_handle source, gc_number type, gc_handle *event) {
    ENTERED(register_event(source, type, event));
}

static void destroy(struct event *event) {
    for (struct event **link = &library.events; *link; link = &(*link)->next)
        if (*link == event) {
            *link = event->next;
            break;
        }
    handle_remove(event->handle);
    if (event->stream) event->stream->new_buffer = NULL;
    event->stream = NULL;
    event->dead = true;
    condition_wake_all(&event->changed);
    if (event->pins > 0) return; /* the last waiter frees it */
    condition_destroy(&event->changed);
    free(event);
}

void events_close_source(gc_handle source) {
    struct event *event = library.events;
    while (event) {
        struct event *next = event->next;
        if (event->source == source) destroy(event);
        event = next;
    }
}

static GC_ERROR unregister_event(gc_handle source, gc_number type) {
    if (!handle_object(source, HANDLE_PORTS)) return GC_ERR_INVALID_HANDLE;
    struct event *event = find(source, type);
    if (!event) return fail(GC_ERR_INVALID_PARAMETER, "event %d is not registered here", (int)type);
    destroy(event);
    return GC_ERR_SUCCESS;
}

GC_API GCUnregisterEvent(gc_handle source, gc_number type) { ENTERED(unregister_event(source, type)); }

void events_fire(gc_handle source, gc_number type, uint64_t number, const char *id, const void *value,
                 size_t value_size) {
    struct event *event = source ? find(source, type) : NULL;
    if (!event) return;
    event->fired++;
    if (event->count == EVENT_QUEUE) { /* nobody reads: the oldest gives way */
        event->first = (event->first + 1) % EVENT_QUEUE;
        event->count--;
    }
    struct event_data *data = &event->data[(event->first + event->count++) % EVENT_QUEUE];
    memset(data, 0, sizeof *data);
    data->number = number;
    data->value_size = value_size < sizeof data->value ? value_size : sizeof data->value;
    memcpy(data->value, value, (size_t)data->value_size);
    memcpy(data->id, id, strlen(id) + 1);
    condition_wake_one(&event->changed);
}

static size_t waiting(const struct event *event) {
    if (event->type != EVENT_NEW_BUFFER) return (size_t)event->count;
    return event->stream ? event->stream->output.count : 0;
}

static size_t data_size(const struct event *event) {
    return event->type == EVENT_NEW_BUFFER ? sizeof(struct new_buffer_data) : sizeof(struct event_data);
}

static void take(struct event *event, void *memory) {
    if (event->type == EVENT_NEW_BUFFER) {
        struct buffer *buffer = queue_pop(&event->stream->output);
        buffer->state = BUFFER_IDLE;
        struct new_buffer_data data = {buffer->handle, buffer->user};
        if (memory) memcpy(memory, &data, sizeof data);
        return;
    }
    if (memory) memcpy(memory, &event->data[event->first], sizeof(struct event_data));
    event->first = (event->first + 1) % EVENT_QUEUE;
    event->count--;
}

static GC_ERROR wait_for_data(struct event *event, void *memory, size_t *size, uint64_t deadline) {
    while (true) {
        if (event->dead) return fail(GC_ERR_ABORT, "the event was unregistered");
        if (event->kills > 0) {
            event->kills--;
            return fail(GC_ERR_ABORT, "EventKill ended the wait");
        }
        if (waiting(event) > 0) break;
        if (deadline == 0 || (deadline != FOREVER && clock_ns() >= deadline))
            return fail(GC_ERR_TIMEOUT, "no event in the time given");
        condition_wait_until(&event->changed, &library.lock, deadline);
    }
    if (memory && *size < data_size(event))
        return fail(GC_ERR_BUFFER_TOO_SMALL, "the data needs %zu bytes, the buffer has %zu", data_size(event), *size);
    take(event, memory);
    if (size) *size = data_size(event);
    /* One delivery wakes one waiter; hand on if there is more. */
    if (waiting(event) > 0) condition_wake_one(&event->changed);
    return GC_ERR_SUCCESS;
}

static GC_ERROR get_data(gc_handle handle, void *memory, size_t *size, uint64_t timeout_ms) {
    struct event *event = handle_object(handle, HANDLE_EVENT);
    if (!event) return GC_ERR_INVALID_HANDLE;
    if (memory && !size) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the size is NULL");
    if (!memory && size) {
        *size = data_size(event);
        return GC_ERR_SUCCESS;
    }
    uint64_t deadline = timeout_ms == 0                     ? 0
                        : timeout_ms >= FOREVER / NS_PER_S ? FOREVER
                                                            : clock_ns() + timeout_ms * NS_PER_MS;
    event->pins++;
    GC_ERROR result = wait_for_data(event, memory, size, deadline);
    event->pins--;
    if (event->dead && event->pins == 0) {
        condition_destroy(&event->changed);
        free(event);
    }
    return result;
}

GC_API EventGetData(gc_handle event, void *memory, size_t *size, uint64_t timeout_ms) {
    ENTERED(get_data(event, memory, size, timeout_ms));
}

static GC_ERROR data_info(gc_handle handle, const void *in, size_t in_size, gc_number command, GC_ANSWER) {
    struct event *event = handle_object(handle, HANDLE_EVENT);
    if (!event) return GC_ERR_INVALID_HANDLE;
    if (!in || in_size < data_size(event))
        return fail(GC_ERR_INVALID_PARAMETER, "the event data is NULL or too short");
    if (event->type == EVENT_NEW_BUFFER) {
        struct new_buffer_data data;
        memcpy(&data, in, sizeof data);
        if (command == EVENT_DATA_ID) return answer_pointer(type, memory, size, data.buffer);
        if (command == EVENT_DATA_VALUE) return answer_pointer(type, memory, size, data.user);
        return fail(GC_ERR_NOT_IMPLEMENTED, "event data info command %d is not known", (int)command);
    }
    struct event_data data;
    memcpy(&data, in, sizeof data);
    data.id[sizeof data.id - 1] = '\0';
    if (data.value_size > sizeof data.value) data.value_size = sizeof data.value;
    if (command == EVENT_DATA_ID) return answer_text(type, memory, size, data.id);
    if (command == EVENT_DATA_NUMID) return answer_uint64(type, memory, size, data.number);
    if (command != EVENT_DATA_VALUE)
        return fail(GC_ERR_NOT_IMPLEMENTED, "event data info command %d is not known", (int)command);
    gc_number kind = event->type == EVENT_ERROR ? INFO_DATATYPE_STRING : INFO_DATATYPE_BUFFER;
    return answer(type, memory, size, kind, data.value, (size_t)data.value_size);
}

GC_API EventGetDataInfo(gc_handle event, const void *data, size_t size_of_data, gc_number command, GC_ANSWER) {
    ENTERED(data_info(event, data, size_of_data, command, type, memory, size));
}

static GC_ERROR event_info(gc_handle handle, gc_number command, GC_ANSWER) {
    struct event *event = handle_object(handle, HANDLE_EVENT);
    if (!event) return GC_ERR_INVALID_HANDLE;
    switch (command) {
    case EVENT_INFO_EVENT_TYPE: return answer_int32(type, memory, size, event->type);
    case EVENT_INFO_NUM_IN_QUEUE: return answer_size(type, memory, size, waiting(event));
    case EVENT_INFO_NUM_FIRED: return answer_uint64(type, memory, size, event->fired);
    case EVENT_INFO_SIZE_MAX: return answer_size(type, memory, size, data_size(event));
    case EVENT_INFO_DATA_SIZE_MAX:
        return answer_size(type, memory, size,
                           event->type == EVENT_NEW_BUFFER ? sizeof(void *) : sizeof event->data[0].value);
    default: return fail(GC_ERR_NOT_IMPLEMENTED, "event info command %d is not known", (int)command);
    }
}

GC_API EventGetInfo(gc_handle event, gc_number command, GC_ANSWER) {
    ENTERED(event_info(event, command, type, memory, size));
}

static GC_ERROR flush(gc_handle handle) {
    struct event *event = handle_object(handle, HANDLE_EVENT);
    if (!event) return GC_ERR_INVALID_HANDLE;
    if (event->stream) stream_discard(&event->stream->output);
    event->count = 0;
    return GC_ERR_SUCCESS;
}

GC_API EventFlush(gc_handle event) { ENTERED(flush(event)); }

static GC_ERROR kill_wait(gc_handle handle) {
    struct event *event = handle_object(handle, HANDLE_EVENT);
    if (!event) return GC_ERR_INVALID_HANDLE;
    event->kills++; /* kept for the next call where nobody waits */
    condition_wake_all(&event->changed);
    return GC_ERR_SUCCESS;
}

GC_API EventKill(gc_handle event) { ENTERED(kill_wait(event)); }
