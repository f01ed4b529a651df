#include "producer.h"

#include <stdlib.h>
#include <string.h>

/* A name stands in quotes where its node begins, and between tags where another node points at it. An entry of an
 * enumeration can have the name of a feature, and keeps it. */
static bool is_name(const unsigned char *text, const unsigned char *at, size_t length) {
    static const char entry[] = "<EnumEntry Name=\"";
    size_t before = sizeof entry - 1;
    if (at[-1] == '>') return at[length] == '<';
    if (at[-1] != '"' || at[length] != '"') return false;
    return (size_t)(at - text) < before || memcmp(at - before, entry, before) != 0;
}

static unsigned char *renamed(const unsigned char *text, size_t size, const struct config_pair *pair,
                              size_t *new_size) {
    size_t length = pair->name_length, places = 0;
    for (size_t i = 1; i + length < size; i++)
        places += memcmp(text + i, pair->name, length) == 0 && is_name(text, text + i, length);
    unsigned char *made = malloc(size + places * pair->value_length);
    size_t to = 0;
    for (size_t i = 0; made && i < size;) {
        bool found = i > 0 && i + length < size && memcmp(text + i, pair->name, length) == 0 &&
                     is_name(text, text + i, length);
        if (found) {
            memcpy(made + to, pair->value, pair->value_length);
            to += pair->value_length;
            i += length;
        } else {
            made[to++] = text[i++];
        }
    }
    *new_size = to;
    return made;
}

unsigned char *xml_renamed(const struct description *description, const char *renames, size_t *size) {
    unsigned char *text = NULL;
    struct config_pair pair;
    *size = description->xml_size;
    while (config_next_pair(&renames, &pair)) {
        unsigned char *next = renamed(text ? text : description->xml, *size, &pair, size);
        free(text);
        text = next;
        if (!text) return NULL;
    }
    return text;
}
