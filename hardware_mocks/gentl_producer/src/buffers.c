#include "producer.h"

#include <stdlib.h>
#include <string.h>

static struct stream *stream_of(gc_handle handle) { return handle_object(handle, HANDLE_STREAM); }

/* Both handles must be good, and the buffer the stream's own. */
static struct buffer *buffer_of(gc_handle stream_handle, gc_handle handle) {
    struct stream *stream = stream_of(stream_handle);
    struct buffer *buffer = stream ? handle_object(handle, HANDLE_BUFFER) : NULL;
    if (buffer && buffer->stream == stream) return buffer;
    if (buffer) fail(GC_ERR_INVALID_HANDLE, "the buffer is announced to another stream");
    return NULL;
}

static GC_ERROR announce(gc_handle handle, void *memory, size_t size, void *user, gc_handle *made) {
    struct stream *stream = stream_of(handle);
    if (!stream) return GC_ERR_INVALID_HANDLE;
    if (size == 0 || !made) return fail(GC_ERR_INVALID_PARAMETER, "the size is 0 or a pointer is NULL");
    struct buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer) return fail(GC_ERR_OUT_OF_MEMORY, "no memory for a buffer");
    buffer->owned = memory == NULL;
    buffer->memory = memory ? memory : calloc(1, size);
    buffer->handle = buffer->memory ? handle_create(HANDLE_BUFFER, buffer) : NULL;
    if (!buffer->handle) {
        if (buffer->owned) free(buffer->memory);
        free(buffer);
        return fail(GC_ERR_OUT_OF_MEMORY, "no memory for a buffer of %zu bytes", size);
    }
    buffer->stream = stream;
    buffer->size = size;
    buffer->user = user;
    struct buffer **link = &stream->announced;
    while (*link) link = &(*link)->next_announced;
    *link = buffer;
    stream->announced_count++;
    *made = buffer->handle;
    return GC_ERR_SUCCESS;
}

static GC_ERROR announce_foreign(gc_handle stream, void *memory, size_t size, void *user, gc_handle *buffer) {
    if (stream_of(stream) && !memory) return fail(GC_ERR_INVALID_PARAMETER, "the memory is NULL");
    return announce(stream, memory, size, user, buffer);
}

GC_API DSAnnounceBuffer(gc_handle stream, void *memory, size_t size, void *user, gc_handle *buffer) {
    ENTERED(announce_foreign(stream, memory, size, user, buffer));
}

GC_API DSAllocAndAnnounceBuffer(gc_handle stream, size_t size, void *user, gc_handle *buffer) {
    ENTERED(announce(stream, NULL, size, user, buffer));
}

static GC_ERROR revoke(gc_handle stream_handle, gc_handle handle, void **memory, void **user) {
    struct buffer *buffer = buffer_of(stream_handle, handle);
    if (!buffer) return GC_ERR_INVALID_HANDLE;
    if (buffer->state != BUFFER_IDLE) return fail(GC_ERR_BUSY, "the buffer is queued; flush or fetch it first");
    if (memory) *memory = buffer->owned ? NULL : buffer->memory;
    if (user) *user = buffer->user;
    for (struct buffer **link = &buffer->stream->announced; *link; link = &(*link)->next_announced)
        if (*link == buffer) {
            *link = buffer->next_announced;
            break;
        }
    buffer->stream->announced_count--;
    handle_remove(buffer->handle);
    if (buffer->owned) free(buffer->memory);
    free(buffer);
    return GC_ERR_SUCCESS;
}

GC_API DSRevokeBuffer(gc_handle stream, gc_handle buffer, void **memory, void **user) {
    ENTERED(revoke(stream, buffer, memory, user));
}

static GC_ERROR queue(gc_handle stream_handle, gc_handle handle) {
    struct buffer *buffer = buffer_of(stream_handle, handle);
    if (!buffer) return GC_ERR_INVALID_HANDLE;
    if (buffer->state != BUFFER_IDLE) return fail(GC_ERR_RESOURCE_IN_USE, "the buffer is in a queue");
    buffer->state = BUFFER_INPUT;
    buffer->new_data = false;
    queue_push(&buffer->stream->input, buffer);
    return GC_ERR_SUCCESS;
}

GC_API DSQueueBuffer(gc_handle stream, gc_handle buffer) { ENTERED(queue(stream, buffer)); }

static GC_ERROR buffer_at(gc_handle handle, uint32_t index, gc_handle *found) {
    struct stream *stream = stream_of(handle);
    if (!stream) return GC_ERR_INVALID_HANDLE;
    if (!found) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the handle is NULL");
    struct buffer *buffer = stream->announced;
    for (uint32_t i = 0; buffer && i < index; i++) buffer = buffer->next_announced;
    if (!buffer) return fail(GC_ERR_INVALID_INDEX, "no announced buffer of index %u", index);
    *found = buffer->handle;
    return GC_ERR_SUCCESS;
}

GC_API DSGetBufferID(gc_handle stream, uint32_t index, gc_handle *buffer) {
    ENTERED(buffer_at(stream, index, buffer));
}

/* What a buffer says at any time; false for what only a filled one knows. */
static bool always_known(const struct buffer *buffer, GC_ERROR *result, gc_number command, GC_ANSWER) {
    switch (command) {
    case BUFFER_INFO_BASE: *result = answer_pointer(type, memory, size, buffer->memory); break;
    case BUFFER_INFO_SIZE: *result = answer_size(type, memory, size, buffer->size); break;
    case BUFFER_INFO_USER_PTR: *result = answer_pointer(type, memory, size, buffer->user); break;
    case BUFFER_INFO_NEW_DATA: *result = answer_bool(type, memory, size, buffer->new_data); break;
    case BUFFER_INFO_IS_QUEUED:
        *result = answer_bool(type, memory, size, buffer->state == BUFFER_INPUT || buffer->state == BUFFER_OUTPUT);
        break;
    case BUFFER_INFO_IS_ACQUIRING: *result = answer_bool(type, memory, size, buffer->state == BUFFER_FILLING); break;
    case BUFFER_INFO_TLTYPE: *result = answer_text(type, memory, size, library.config.tl_type); break;
    case BUFFER_INFO_IS_COMPOSITE: *result = answer_bool(type, memory, size, false); break;
    case BUFFER_INFO_SIZE_FILLED:
    case BUFFER_INFO_DATA_SIZE:
        *result = answer_size(type, memory, size, buffer->new_data ? buffer->filled : 0);
        break;
    default: return false;
    }
    return true;
}

static GC_ERROR buffer_info(const struct buffer *buffer, gc_number command, GC_ANSWER) {
    GC_ERROR result;
    if (always_known(buffer, &result, command, type, memory, size)) return result;
    if (command < 0 || command > BUFFER_INFO_IS_COMPOSITE || command == BUFFER_INFO_CHUNKLAYOUTID ||
        command == BUFFER_INFO_FILENAME)
        return fail(GC_ERR_NOT_IMPLEMENTED, "buffer info command %d is not known", (int)command);
    if (!buffer->new_data) return fail(GC_ERR_NOT_AVAILABLE, "the buffer holds no frame");
    switch (command) {
    case BUFFER_INFO_TIMESTAMP:
    case BUFFER_INFO_TIMESTAMP_NS:
        if (!buffer->has_timestamp) return fail(GC_ERR_NOT_AVAILABLE, "the frame has no time");
        return answer_uint64(type, memory, size, buffer->timestamp);
    case BUFFER_INFO_IS_INCOMPLETE: return answer_bool(type, memory, size, buffer->incomplete);
    case BUFFER_INFO_WIDTH: return answer_size(type, memory, size, (size_t)buffer->width);
    case BUFFER_INFO_HEIGHT: return answer_size(type, memory, size, (size_t)buffer->height);
    case BUFFER_INFO_XOFFSET: return answer_size(type, memory, size, (size_t)buffer->offset_x);
    case BUFFER_INFO_YOFFSET: return answer_size(type, memory, size, (size_t)buffer->offset_y);
    case BUFFER_INFO_XPADDING:
        if (!buffer->tells_padding) return fail(GC_ERR_NOT_IMPLEMENTED, "the padding is not told");
        return answer_size(type, memory, size, (size_t)buffer->padding);
    case BUFFER_INFO_YPADDING:
    case BUFFER_INFO_IMAGEOFFSET: return answer_size(type, memory, size, 0);
    case BUFFER_INFO_FRAMEID:
        if (!buffer->has_id) return fail(GC_ERR_NOT_AVAILABLE, "the frame has no id");
        return answer_uint64(type, memory, size, buffer->frame_id);
    case BUFFER_INFO_IMAGEPRESENT: return answer_bool(type, memory, size, true);
    case BUFFER_INFO_PAYLOADTYPE: return answer_size(type, memory, size, PAYLOAD_TYPE_IMAGE);
    case BUFFER_INFO_PIXELFORMAT: return answer_uint64(type, memory, size, (uint64_t)buffer->pixel_format);
    case BUFFER_INFO_PIXELFORMAT_NAMESPACE: return answer_uint64(type, memory, size, NAMESPACE_PFNC_32BIT);
    case BUFFER_INFO_DELIVERED_IMAGEHEIGHT: return answer_size(type, memory, size, buffer->delivered_height);
    case BUFFER_INFO_DELIVERED_CHUNKPAYLOADSIZE:
        if (buffer->chunk_count == 0) return fail(GC_ERR_NOT_AVAILABLE, "the buffer holds no chunks");
        return answer_size(type, memory, size, buffer->filled);
    case BUFFER_INFO_PIXEL_ENDIANNESS: return answer_int32(type, memory, size, ENDIANNESS_LITTLE);
    case BUFFER_INFO_DATA_LARGER_THAN_BUFFER: return answer_bool(type, memory, size, buffer->larger_than_buffer);
    default: return answer_bool(type, memory, size, buffer->chunk_count > 0); /* CONTAINS_CHUNKDATA */
    }
}

static GC_ERROR info(gc_handle stream, gc_handle handle, gc_number command, GC_ANSWER) {
    struct buffer *buffer = buffer_of(stream, handle);
    return buffer ? buffer_info(buffer, command, type, memory, size) : GC_ERR_INVALID_HANDLE;
}

GC_API DSGetBufferInfo(gc_handle stream, gc_handle buffer, gc_number command, GC_ANSWER) {
    ENTERED(info(stream, buffer, command, type, memory, size));
}

static GC_ERROR info_stacked(gc_handle stream, gc_handle handle, struct buffer_info_stack_entry *entries,
                             size_t count) {
    struct buffer *buffer = buffer_of(stream, handle);
    if (!buffer) return GC_ERR_INVALID_HANDLE;
    if (!entries || count == 0) return fail(GC_ERR_INVALID_PARAMETER, "the entries are NULL or none");
    for (size_t i = 0; i < count; i++) {
        struct buffer_info_stack_entry entry;
        memcpy(&entry, &entries[i], sizeof entry); /* packed: its members may lie anywhere */
        gc_number type = 0;
        size_t size = entry.size;
        entry.result = buffer_info(buffer, entry.command, &type, entry.memory, &size);
        entry.type = type;
        entry.size = size;
        memcpy(&entries[i], &entry, sizeof entry);
    }
    return GC_ERR_SUCCESS;
}

GC_API DSGetBufferInfoStacked(gc_handle stream, gc_handle buffer, struct buffer_info_stack_entry *entries,
                              size_t count) {
    ENTERED(info_stacked(stream, buffer, entries, count));
}

static GC_ERROR chunk_data(gc_handle stream, gc_handle handle, struct chunk_place *places, size_t *count) {
    struct buffer *buffer = buffer_of(stream, handle);
    if (!buffer) return GC_ERR_INVALID_HANDLE;
    if (!count) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the count is NULL");
    if (!buffer->new_data || buffer->chunk_count == 0) return fail(GC_ERR_NO_DATA, "the buffer holds no chunks");
    size_t there = (size_t)buffer->chunk_count;
    if (places && *count < there)
        return fail(GC_ERR_BUFFER_TOO_SMALL, "%zu chunks, room for %zu", there, *count);
    if (places) memcpy(places, buffer->chunks, there * sizeof *places);
    *count = there;
    return GC_ERR_SUCCESS;
}

GC_API DSGetBufferChunkData(gc_handle stream, gc_handle buffer, struct chunk_place *places, size_t *count) {
    ENTERED(chunk_data(stream, buffer, places, count));
}

/* No parts: an image and its chunks is all that a buffer holds. */
static GC_ERROR no_parts(gc_handle stream, gc_handle buffer) {
    if (!buffer_of(stream, buffer)) return GC_ERR_INVALID_HANDLE;
    return fail(GC_ERR_NO_DATA, "the buffer is not of several parts");
}

GC_API DSGetNumBufferParts(gc_handle stream, gc_handle buffer, uint32_t *count) {
    (void)count;
    ENTERED(no_parts(stream, buffer));
}

GC_API DSGetBufferPartInfo(gc_handle stream, gc_handle buffer, uint32_t part, gc_number command, GC_ANSWER) {
    (void)part, (void)command, (void)type, (void)memory, (void)size;
    ENTERED(no_parts(stream, buffer));
}

GC_API DSGetBufferPartInfoStacked(gc_handle stream, gc_handle buffer, void *entries, size_t count) {
    (void)entries, (void)count;
    ENTERED(no_parts(stream, buffer));
}

/* GenTL 1.6: composite buffers and flows are for payloads that this camera does not have. */
static GC_ERROR not_here(gc_handle stream) {
    if (!stream_of(stream)) return GC_ERR_INVALID_HANDLE;
    return fail(GC_ERR_NOT_IMPLEMENTED, "a function of GenTL 1.6 that this producer does not have");
}

GC_API DSAnnounceCompositeBuffer(gc_handle stream, size_t count, void **segments, size_t *sizes, void *user,
                                 gc_handle *buffer) {
    (void)count, (void)segments, (void)sizes, (void)user, (void)buffer;
    ENTERED(not_here(stream));
}

GC_API DSGetNumFlows(gc_handle stream, uint32_t *count) {
    (void)count;
    ENTERED(not_here(stream));
}

GC_API DSGetFlowInfo(gc_handle stream, uint32_t flow, gc_number command, GC_ANSWER) {
    (void)flow, (void)command, (void)type, (void)memory, (void)size;
    ENTERED(not_here(stream));
}

GC_API DSGetNumBufferSegments(gc_handle stream, gc_handle buffer, uint32_t *count) {
    (void)buffer, (void)count;
    ENTERED(not_here(stream));
}

GC_API DSGetBufferSegmentInfo(gc_handle stream, gc_handle buffer, uint32_t segment, gc_number command, GC_ANSWER) {
    (void)buffer, (void)segment, (void)command, (void)type, (void)memory, (void)size;
    ENTERED(not_here(stream));
}
