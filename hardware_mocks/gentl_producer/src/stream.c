#include "producer.h"

#include <stdlib.h>

void queue_push(struct queue *queue, struct buffer *buffer) {
    buffer->next = NULL;
    if (queue->last) queue->last->next = buffer;
    else queue->first = buffer;
    queue->last = buffer;
    queue->count++;
}

struct buffer *queue_pop(struct queue *queue) {
    struct buffer *buffer = queue->first;
    if (!buffer) return NULL;
    queue->first = buffer->next;
    if (!queue->first) queue->last = NULL;
    queue->count--;
    return buffer;
}

void stream_discard(struct queue *queue) {
    struct buffer *buffer;
    while ((buffer = queue_pop(queue))) buffer->state = BUFFER_IDLE;
}

void stream_deliver(struct stream *stream, struct buffer *buffer) {
    buffer->state = BUFFER_OUTPUT;
    queue_push(&stream->output, buffer);
    stream->delivered++;
    if (stream->to_acquire != GENTL_INFINITE && --stream->to_acquire == 0) stream->grabbing = false;
    if (stream->new_buffer) {
        stream->new_buffer->fired++;
        condition_wake_one(&stream->new_buffer->changed);
    }
}

GC_ERROR stream_open(struct device *device, gc_handle *handle) {
    struct stream *stream = &device->stream;
    if (stream->handle || stream->closing) return fail(GC_ERR_RESOURCE_IN_USE, "the stream is open");
    gc_handle made = handle_create(HANDLE_STREAM, stream);
    if (!made) return fail(GC_ERR_OUT_OF_MEMORY, "no memory for a handle");
    *stream = (struct stream){.device = device, .handle = made, .to_acquire = 1};
    *handle = made;
    return GC_ERR_SUCCESS;
}

/* Called with the lock, which it gives up while a frame is drawn into one of the buffers. */
void stream_close(struct stream *stream) {
    gc_handle handle = stream->handle;
    stream->handle = NULL;
    stream->grabbing = false;
    handle_remove(handle);
    events_close_source(handle);
    struct buffer *buffer = stream->announced;
    for (; buffer; buffer = buffer->next_announced) handle_remove(buffer->handle);
    stream->closing = true;
    device_wait_idle(stream->device);
    stream->closing = false;
    buffer = stream->announced;
    stream->announced = NULL;
    stream->announced_count = 0;
    stream->input = stream->output = (struct queue){NULL, NULL, 0};
    while (buffer) {
        struct buffer *next = buffer->next_announced;
        if (buffer->owned) free(buffer->memory);
        free(buffer);
        buffer = next;
    }
}

static GC_ERROR close_stream(gc_handle handle) {
    struct stream *stream = handle_object(handle, HANDLE_STREAM);
    if (!stream) return GC_ERR_INVALID_HANDLE;
    stream_close(stream);
    return GC_ERR_SUCCESS;
}

GC_API DSClose(gc_handle stream) { ENTERED(close_stream(stream)); }

static GC_ERROR info(gc_handle handle, gc_number command, GC_ANSWER) {
    struct stream *stream = handle_object(handle, HANDLE_STREAM);
    if (!stream) return GC_ERR_INVALID_HANDLE;
    switch (command) {
    case STREAM_INFO_ID: return answer_text(type, memory, size, STREAM_ID);
    case STREAM_INFO_NUM_DELIVERED: return answer_uint64(type, memory, size, stream->delivered);
    case STREAM_INFO_NUM_UNDERRUN: return answer_uint64(type, memory, size, stream->underruns);
    case STREAM_INFO_NUM_ANNOUNCED: return answer_size(type, memory, size, stream->announced_count);
    case STREAM_INFO_NUM_QUEUED: return answer_size(type, memory, size, stream->input.count);
    case STREAM_INFO_NUM_AWAIT_DELIVERY: return answer_size(type, memory, size, stream->output.count);
    case STREAM_INFO_NUM_STARTED: return answer_uint64(type, memory, size, stream->started);
    /* Chunks make the camera's PayloadSize the one to ask, as the next line tells the consumer. */
    case STREAM_INFO_PAYLOAD_SIZE: return answer_size(type, memory, size, remote_payload_size(stream->device));
    case STREAM_INFO_DEFINES_PAYLOADSIZE: return answer_bool(type, memory, size, false);
    case STREAM_INFO_IS_GRABBING: return answer_bool(type, memory, size, stream->grabbing);
    case STREAM_INFO_TLTYPE: return answer_text(type, memory, size, library.config.tl_type);
    case STREAM_INFO_NUM_CHUNKS_MAX: return answer_size(type, memory, size, CHUNK_KINDS + 1);
    case STREAM_INFO_BUF_ANNOUNCE_MIN: return answer_size(type, memory, size, 1);
    case STREAM_INFO_BUF_ALIGNMENT: return answer_size(type, memory, size, 1);
    default: return fail(GC_ERR_NOT_IMPLEMENTED, "stream info command %d is not known", (int)command);
    }
}

GC_API DSGetInfo(gc_handle stream, gc_number command, GC_ANSWER) {
    ENTERED(info(stream, command, type, memory, size));
}

static GC_ERROR start(gc_handle handle, gc_number flags, uint64_t count) {
    struct stream *stream = handle_object(handle, HANDLE_STREAM);
    if (!stream) return GC_ERR_INVALID_HANDLE;
    if (flags != 0 || count == 0)
        return fail(GC_ERR_INVALID_PARAMETER, "start flags %d or a count of 0 are not supported", (int)flags);
    GC_ERROR alive = device_alive(stream->device);
    if (alive != GC_ERR_SUCCESS) return alive;
    if (stream->grabbing) return fail(GC_ERR_RESOURCE_IN_USE, "the acquisition is started");
    if (!stream->announced) return fail(GC_ERR_INVALID_BUFFER, "no buffer is announced");
    stream->grabbing = true;
    stream->to_acquire = count;
    stream->started = stream->delivered = stream->underruns = 0;
    return GC_ERR_SUCCESS;
}

GC_API DSStartAcquisition(gc_handle stream, gc_number flags, uint64_t count) { ENTERED(start(stream, flags, count)); }

static GC_ERROR stop(gc_handle handle, gc_number flags) {
    struct stream *stream = handle_object(handle, HANDLE_STREAM);
    if (!stream) return GC_ERR_INVALID_HANDLE;
    if (flags != 0 && flags != 1) return fail(GC_ERR_INVALID_PARAMETER, "stop flags %d are not known", (int)flags);
    if (!stream->grabbing && stream->to_acquire != 0)
        return fail(GC_ERR_RESOURCE_IN_USE, "the acquisition is not started");
    stream->grabbing = false;
    stream->to_acquire = 1; /* stopped, not run out */
    device_wait_idle(stream->device);
    return GC_ERR_SUCCESS;
}

GC_API DSStopAcquisition(gc_handle stream, gc_number flags) { ENTERED(stop(stream, flags)); }

static GC_ERROR flush(gc_handle handle, gc_number operation) {
    struct stream *stream = handle_object(handle, HANDLE_STREAM);
    if (!stream) return GC_ERR_INVALID_HANDLE;
    if (operation < ACQ_QUEUE_INPUT_TO_OUTPUT || operation > ACQ_QUEUE_ALL_DISCARD)
        return fail(GC_ERR_INVALID_PARAMETER, "queue operation %d is not known", (int)operation);
    device_wait_idle(stream->device);
    struct buffer *buffer;
    if (operation == ACQ_QUEUE_INPUT_TO_OUTPUT) {
        while ((buffer = queue_pop(&stream->input))) {
            buffer->state = BUFFER_OUTPUT;
            queue_push(&stream->output, buffer);
        }
        if (stream->new_buffer) condition_wake_all(&stream->new_buffer->changed);
        return GC_ERR_SUCCESS;
    }
    if (operation != ACQ_QUEUE_UNQUEUED_TO_INPUT) stream_discard(&stream->output);
    if (operation == ACQ_QUEUE_ALL_DISCARD) stream_discard(&stream->input);
    if (operation == ACQ_QUEUE_ALL_TO_INPUT || operation == ACQ_QUEUE_UNQUEUED_TO_INPUT)
        for (buffer = stream->announced; buffer; buffer = buffer->next_announced)
            if (buffer->state == BUFFER_IDLE) {
                buffer->state = BUFFER_INPUT;
                buffer->new_data = false;
                queue_push(&stream->input, buffer);
            }
    return GC_ERR_SUCCESS;
}

GC_API DSFlushQueue(gc_handle stream, gc_number operation) { ENTERED(flush(stream, operation)); }

static GC_ERROR parent_device(gc_handle handle, gc_handle *device) {
    struct stream *stream = handle_object(handle, HANDLE_STREAM);
    if (!stream) return GC_ERR_INVALID_HANDLE;
    if (!device) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the handle is NULL");
    *device = stream->device->handle;
    return GC_ERR_SUCCESS;
}

GC_API DSGetParentDev(gc_handle stream, gc_handle *device) { ENTERED(parent_device(stream, device)); }
