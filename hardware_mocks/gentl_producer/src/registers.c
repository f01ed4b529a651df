#include "registers.h"

#include <string.h>

int register_find(const struct description *description, uint64_t address, size_t size) {
    int low = 0, high = description->count - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        const struct register_entry *entry = &description->entries[middle];
        if (address < entry->address) high = middle - 1;
        else if (address >= (uint64_t)entry->address + entry->length) low = middle + 1;
        else return size <= entry->address + entry->length - address ? middle : -1;
    }
    return -1;
}

int register_named(const struct description *description, const char *name, size_t length) {
    for (int id = 0; id < description->count; id++) {
        const char *known = description->entries[id].name;
        if (strlen(known) == length && memcmp(known, name, length) == 0) return id;
    }
    return -1;
}

/* The registers are little-endian; so is every machine that this producer is built for. */
static uint8_t *place(const struct description *description, const uint8_t *memory, int id) {
    return (uint8_t *)(uintptr_t)memory + description->entries[id].address;
}

int64_t register_integer(const struct description *description, const uint8_t *memory, int id) {
    int64_t value;
    memcpy(&value, place(description, memory, id), sizeof value);
    return value;
}

double register_float(const struct description *description, const uint8_t *memory, int id) {
    double value;
    memcpy(&value, place(description, memory, id), sizeof value);
    return value;
}

const char *register_text(const struct description *description, const uint8_t *memory, int id) {
    return (const char *)place(description, memory, id);
}

void register_set_integer(const struct description *description, uint8_t *memory, int id, int64_t value) {
    memcpy(place(description, memory, id), &value, sizeof value);
}

void register_set_float(const struct description *description, uint8_t *memory, int id, double value) {
    memcpy(place(description, memory, id), &value, sizeof value);
}

void register_set_text(const struct description *description, uint8_t *memory, int id, const char *value) {
    size_t space = description->entries[id].length;
    size_t length = strlen(value);
    if (length > space - 1) length = space - 1;
    memset(place(description, memory, id), 0, space);
    memcpy(place(description, memory, id), value, length);
}

void register_initialise(const struct description *description, uint8_t *memory) {
    for (int id = 0; id < description->count; id++) {
        const struct register_entry *entry = &description->entries[id];
        memset(memory + entry->address, 0, entry->length);
        if (entry->kind == KIND_FLOAT) register_set_float(description, memory, id, entry->initial);
        else if (entry->kind == KIND_INTEGER)
            register_set_integer(description, memory, id, (int64_t)entry->initial);
    }
}
