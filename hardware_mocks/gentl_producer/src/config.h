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
    char rename[1024];  /* pairs "Feature=Other", by blanks */
    char initial[1024]; /* pairs "Feature=number", by blanks */
    int64_t width, height, listings;
    double max_fps;
};

struct config {
    char tl_type[16];
    int device_count;
    struct device_config devices[DEVICES_MAX];
};

/* One pair of `rename` or `initial`; false behind the last. `at` goes on behind it. */
struct config_pair {
    const char *name, *value;
    size_t name_length, value_length;
};
bool config_next_pair(const char **at, struct config_pair *pair);
/* The number of a pair of `initial`; false where it is none. */
bool config_number(const struct config_pair *pair, double *number);

void config_defaults(struct config *config);

/* Take the keys of a TOML text over `config`. False with one line in `problem` ("line 3: ..."). */
bool config_parse(const char *text, size_t length, struct config *config, char *problem, size_t problem_size);

/* Defaults, then the file named by MOCK_GENTL_CONFIG, then the other MOCK_GENTL_ variables. */
bool config_load(struct config *config, char *problem, size_t problem_size);

#endif
