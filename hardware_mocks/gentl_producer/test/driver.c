/* Loads the producer named on the command line and runs every check on it: for valgrind and the sanitizers. */
#define _GNU_SOURCE
#include "driver.h"

#include "config.h"
#include "registers.h"

#include <dlfcn.h>
#include <string.h>

struct functions gc;

void expect(GC_ERROR result, GC_ERROR code, const char *call, const char *file, int line) {
    if (result == code) return;
    char text[512] = "";
    size_t size = sizeof text;
    GC_ERROR last = 0;
    gc.GCGetLastError(&last, text, &size);
    fprintf(stderr, "%s:%d: %s gave %d, not %d (%s)\n", file, line, call, (int)result, (int)code, text);
    exit(1);
}

void set_variable(const char *name, const char *value) { CHECK(setenv(name, value, 1) == 0); }

uint64_t address_of(int id) { return remote_description.entries[id].address; }

void write_integer(gc_handle port, int id, int64_t value) {
    size_t size = sizeof value;
    GOOD(gc.GCWritePort(port, address_of(id), &value, &size));
}

int64_t read_integer(gc_handle port, int id) {
    int64_t value = 0;
    size_t size = sizeof value;
    GOOD(gc.GCReadPort(port, address_of(id), &value, &size));
    return value;
}

void open_chain(struct chain *chain, uint32_t device) {
    char id[128];
    size_t size = sizeof id;
    memset(chain, 0, sizeof *chain);
    GOOD(gc.TLOpen(&chain->system));
    GOOD(gc.TLUpdateInterfaceList(chain->system, NULL, 100));
    GOOD(gc.TLGetInterfaceID(chain->system, 0, id, &size));
    GOOD(gc.TLOpenInterface(chain->system, id, &chain->interface_));
    GOOD(gc.IFUpdateDeviceList(chain->interface_, NULL, 100));
    size = sizeof id;
    GOOD(gc.IFGetDeviceID(chain->interface_, device, id, &size));
    GOOD(gc.IFOpenDevice(chain->interface_, id, 4, &chain->device));
    GOOD(gc.DevGetPort(chain->device, &chain->port));
    size = sizeof id;
    GOOD(gc.DevGetDataStreamID(chain->device, 0, id, &size));
    GOOD(gc.DevOpenDataStream(chain->device, id, &chain->stream));
}

void close_chain(struct chain *chain) {
    GOOD(gc.DSClose(chain->stream));
    GOOD(gc.DevClose(chain->device));
    GOOD(gc.IFClose(chain->interface_));
    GOOD(gc.TLClose(chain->system));
}

/* Reads many configurations from stdin (a decimal length and a newline before each); says what each one means. */
int parse_configs(void) {
    unsigned long length;
    while (scanf("%lu", &length) == 1) {
        CHECK(getchar() == '\n');
        char *text = malloc(length ? length : 1); /* of the exact size: reading past the end is caught */
        CHECK(text && fread(text, 1, length, stdin) == length);
        struct config config;
        char problem[256];
        config_defaults(&config);
        if (!config_parse(text, length, &config, problem, sizeof problem)) {
            printf("error\t%s\n", problem);
        } else {
            printf("good\t%s\t%d", config.tl_type, config.device_count);
            const struct device_config *device = &config.devices[0];
            printf("\t%s\t%lld\t%lld\t%.17g\n", device->serial, (long long)device->width, (long long)device->height,
                   device->max_fps);
        }
        free(text);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--configs") == 0) return parse_configs();
    if (argc != 2) {
        fprintf(stderr, "driver PRODUCER.cti | driver --configs\n");
        return 2;
    }
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
#define FIND(name) *(void **)(void *)&gc.name = dlsym(library, #name); CHECK(gc.name);
    FUNCTIONS(FIND)
    check_errors();
    check_streaming();
    check_faults();
    check_quirks();
    check_threads();
    puts("all good");
    dlclose(library);
    return 0;
}
