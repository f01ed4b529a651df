/* What the producer is told from outside: environment variables and a file in a subset of TOML. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICES_MAX 16

struct device_config {
    char serial[64];
    char model[64];
    char vendor[64];
    char user_id[64];
    char frames[1024]; /* path of raw frames; empty for none */
    int64_t width, height;
    double max_fps;
};

struct config {
    char tl_type[16];
    int device_count;
    struct device_config devices[DEVICES_MAX];
};

void config_defaults(struct config *config);

/* Take the keys of a TOML text over `config`. False with one line in `problem` ("line 3: ..."). */
bool config_parse(const char *text, size_t length, struct config *config, char *problem, size_t problem_size);

/* Defaults, then the file named by MOCK_GENTL_CONFIG, then the other MOCK_GENTL_ variables. */
bool config_load(struct config *config, char *problem, size_t problem_size);

#endif
