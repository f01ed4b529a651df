#include "producer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static THREAD_LOCAL GC_ERROR last_code;
static THREAD_LOCAL char last_text[512];

GC_ERROR fail(GC_ERROR code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_text, sizeof last_text, format, arguments);
    va_end(arguments);
    last_code = code;
    return code;
}

GC_API GCGetLastError(GC_ERROR *code, char *text, size_t *size) {
    if (!code || !size) return GC_ERR_INVALID_PARAMETER;
    const char *known = last_code == GC_ERR_SUCCESS ? "no error" : last_text;
    size_t needed = strlen(known) + 1;
    *code = last_code;
    if (text && *size < needed) return GC_ERR_BUFFER_TOO_SMALL;
    if (text) memcpy(text, known, needed);
    *size = needed;
    return GC_ERR_SUCCESS;
}

GC_ERROR answer(GC_ANSWER, gc_number kind, const void *data, size_t data_size) {
    if (!size) return fail(GC_ERR_INVALID_PARAMETER, "the pointer to the size is NULL");
    if (type) *type = kind;
    if (memory && *size < data_size)
        return fail(GC_ERR_BUFFER_TOO_SMALL, "the answer needs %zu bytes, the buffer has %zu", data_size, *size);
    if (memory) memcpy(memory, data, data_size);
    *size = data_size;
    return GC_ERR_SUCCESS;
}

GC_ERROR answer_text(GC_ANSWER, const char *text) {
    return answer(type, memory, size, INFO_DATATYPE_STRING, text, strlen(text) + 1);
}

GC_ERROR answer_bool(GC_ANSWER, bool value) {
    bool8_t byte = value ? 1 : 0;
    return answer(type, memory, size, INFO_DATATYPE_BOOL8, &byte, sizeof byte);
}

GC_ERROR answer_int32(GC_ANSWER, int32_t value) {
    return answer(type, memory, size, INFO_DATATYPE_INT32, &value, sizeof value);
}

GC_ERROR answer_uint32(GC_ANSWER, uint32_t value) {
    return answer(type, memory, size, INFO_DATATYPE_UINT32, &value, sizeof value);
}

GC_ERROR answer_uint64(GC_ANSWER, uint64_t value) {
    return answer(type, memory, size, INFO_DATATYPE_UINT64, &value, sizeof value);
}

GC_ERROR answer_size(GC_ANSWER, size_t value) {
    return answer(type, memory, size, INFO_DATATYPE_SIZET, &value, sizeof value);
}

GC_ERROR answer_pointer(GC_ANSWER, const void *value) {
    return answer(type, memory, size, INFO_DATATYPE_PTR, &value, sizeof value);
}

GC_ERROR give_text(char *target, size_t *size, const char *text) {
    return answer(NULL, target, size, INFO_DATATYPE_STRING, text, strlen(text) + 1);
}
