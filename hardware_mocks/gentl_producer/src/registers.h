/* Register tables, as description/generate.py writes them, and memory addressed by them. */
#ifndef REGISTERS_H
#define REGISTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KIND_INTEGER, KIND_FLOAT, KIND_COMMAND, KIND_STRING };
enum { REGISTER_READ = 1, REGISTER_WRITE = 2, REGISTER_LOCKABLE = 4, REGISTER_SAVED = 8 };

struct register_entry {
    const char *name;
    uint32_t address;
    uint16_t length;
    uint8_t kind;
    uint8_t flags;
    double low, high, initial;
};

struct description {
    const struct register_entry *entries; /* without holes, by rising address from 0 */
    int count;
    const unsigned char *xml;
    size_t xml_size;
    const char *file;
    const char *port;
};

extern const struct description remote_description, system_description, interface_description,
    device_description, stream_description;

/* The XML lies here in every port's address space. */
#define XML_ADDRESS UINT64_C(0x80000000)

/* The register of this name, or -1. */
int register_named(const struct description *description, const char *name, size_t length);

/* The register that holds all of [address, address + size), or -1. */
int register_find(const struct description *description, uint64_t address, size_t size);

int64_t register_integer(const struct description *description, const uint8_t *memory, int id);
double register_float(const struct description *description, const uint8_t *memory, int id);
const char *register_text(const struct description *description, const uint8_t *memory, int id);
void register_set_integer(const struct description *description, uint8_t *memory, int id, int64_t value);
void register_set_float(const struct description *description, uint8_t *memory, int id, double value);
void register_set_text(const struct description *description, uint8_t *memory, int id, const char *value);

/* Every register at its initial value, strings empty. */
void register_initialise(const struct description *description, uint8_t *memory);

#endif
