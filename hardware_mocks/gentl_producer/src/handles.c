#include "producer.h"

#include <stdlib.h>

/* A handle is a place in this table and how often the place was used before, so that a handle of something
 * closed is known to be one, whatever took its place. */
struct place {
    enum handle_kind kind; /* 0 while free */
    uintptr_t generation;
    void *object;
};

static struct place *places;
static size_t place_count;
static uintptr_t first_generation = 1; /* grows, so that a handle never lives again after GCCloseLib */
#define INDEX_BITS 14
#define INDEX_MASK (((uintptr_t)1 << INDEX_BITS) - 1)

gc_handle handle_create(enum handle_kind kind, void *object) {
    size_t index = 1;
    while (index < place_count && places[index].kind) index++;
    if (index >= place_count) {
        size_t count = place_count ? place_count * 2 : 64;
        struct place *more = index <= INDEX_MASK && count <= INDEX_MASK + 1
                                 ? realloc(places, count * sizeof *places) : NULL;
        if (!more) return NULL;
        for (size_t i = place_count; i < count; i++) more[i] = (struct place){0, first_generation, NULL};
        places = more;
        place_count = count;
    }
    places[index].kind = kind;
    places[index].object = object;
    return (gc_handle)(places[index].generation << INDEX_BITS | index);
}

static struct place *find(gc_handle handle) {
    size_t index = (uintptr_t)handle & INDEX_MASK;
    if (index == 0 || index >= place_count || !places[index].kind) return NULL;
    uintptr_t generation = places[index].generation & (UINTPTR_MAX >> INDEX_BITS);
    return generation == (uintptr_t)handle >> INDEX_BITS ? &places[index] : NULL;
}

void handle_remove(gc_handle handle) {
    struct place *place = find(handle);
    if (!place) return;
    place->kind = 0;
    place->object = NULL;
    place->generation++;
}

int handle_kind_of(gc_handle handle) {
    struct place *place = find(handle);
    return place ? (int)place->kind : 0;
}

void *handle_object(gc_handle handle, int kinds) {
    struct place *place = find(handle);
    if (place && ((int)place->kind & kinds)) return place->object;
    if (!handle) fail(GC_ERR_INVALID_HANDLE, "the handle is NULL");
    else if (!place) fail(GC_ERR_INVALID_HANDLE, "%p is not a handle of this producer, or was closed", handle);
    else fail(GC_ERR_INVALID_HANDLE, "%p is a handle of another kind of module", handle);
    return NULL;
}

void handles_forget_all(void) {
    for (size_t i = 0; i < place_count; i++)
        if (places[i].generation >= first_generation) first_generation = places[i].generation + 1;
    free(places);
    places = NULL;
    place_count = 0;
}
