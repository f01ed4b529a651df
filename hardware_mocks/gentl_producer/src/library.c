#include "producer.h"

#include <stdlib.h>
#include <string.h>

struct library library = {.lock = MUTEX_STATIC};

GC_ERROR library_enter(void) {
    mutex_lock(&library.lock);
    if (library.initialised && !library.closing) return GC_ERR_SUCCESS;
    mutex_unlock(&library.lock);
    return fail(GC_ERR_NOT_INITIALIZED, "GCInitLib was not called, or GCCloseLib was");
}

void library_leave(void) { mutex_unlock(&library.lock); }

static GC_ERROR initialise(void) {
    char problem[400];
    library_pin();
    if (library.initialised) return fail(GC_ERR_RESOURCE_IN_USE, "GCInitLib was called before");
    if (!config_load(&library.config, problem, sizeof problem))
        return fail(GC_ERR_ERROR, "configuration of the mock producer: %s", problem);
    size_t count = (size_t)library.config.device_count;
    library.devices = calloc(count ? count : 1, sizeof *library.devices);
    if (!library.devices) return fail(GC_ERR_OUT_OF_MEMORY, "no memory for the devices");
    for (int i = 0; i < library.config.device_count; i++) device_create(&library.devices[i], i);
    condition_create(&library.closed);
    library.system = library.interface_ = NULL;
    library.interface_listed = false;
    library.device_selector = 0;
    library.initialised = true;
    return GC_ERR_SUCCESS;
}

GC_API GCInitLib(void) {
    mutex_lock(&library.lock);
    GC_ERROR result = initialise();
    mutex_unlock(&library.lock);
    return result;
}

static bool a_device_is_closing(void) {
    for (int i = 0; i < library.config.device_count; i++)
        if (library.devices[i].opened) return true;
    return false;
}

GC_API GCCloseLib(void) {
    GC_ERROR result = library_enter();
    if (result != GC_ERR_SUCCESS) return result;
    library.closing = true; /* closing a device gives the lock up; nobody may come in then */
    if (library.system) system_close();
    /* Another thread may be inside DevClose, where it waits without the lock. */
    while (a_device_is_closing()) condition_wait_until(&library.closed, &library.lock, FOREVER);
    for (int i = 0; i < library.config.device_count; i++) device_forget(&library.devices[i]);
    free(library.devices);
    library.devices = NULL;
    handles_forget_all();
    condition_destroy(&library.closed);
    library.initialised = library.closing = false;
    library_leave();
    return GC_ERR_SUCCESS;
}

GC_API GCGetInfo(gc_number command, GC_ANSWER) { ENTERED(answer_system(command, type, memory, size)); }
