#include "config.h"

#include "platform.h"
#include "registers.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT (1024 * 1024)

static bool problem_is(char *problem, size_t size, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem, size, format, arguments);
    va_end(arguments);
    return false;
}

static void device_defaults(struct device_config *device, int number) {
    memset(device, 0, sizeof *device);
    snprintf(device->serial, sizeof device->serial, "MOCK-%04d", number + 1);
    snprintf(device->model, sizeof device->model, "RheedMock");
    snprintf(device->vendor, sizeof device->vendor, "RheedAcquire");
    device->width = 640;
    device->height = 480;
    device->listings = 1;
    device->max_fps = 10000.0;
}

void config_defaults(struct config *config) {
    memset(config, 0, sizeof *config);
    snprintf(config->tl_type, sizeof config->tl_type, "Custom");
    config->device_count = 1;
    for (int i = 0; i < DEVICES_MAX; i++) device_defaults(&config->devices[i], i);
}

/* One value as it stands after the "=". */
struct value {
    enum { VALUE_TEXT, VALUE_NUMBER } kind;
    char text[1024];
    double number;
    bool whole;
};

struct place {
    const char *at, *end;
};

static void skip_blanks(struct place *place) {
    while (place->at < place->end && (*place->at == ' ' || *place->at == '\t')) place->at++;
}

/* After a value or a header only a comment may follow. */
static bool line_is_over(struct place *place) {
    skip_blanks(place);
    return place->at == place->end || *place->at == '#';
}

static const char *read_text(struct place *place, struct value *value) {
    char quote = *place->at++;
    size_t length = 0;
    value->kind = VALUE_TEXT;
    for (; place->at < place->end && *place->at != quote; place->at++) {
        char c = *place->at;
        if ((unsigned char)c < 0x20 && c != '\t') return "a control character in a string";
        if (c == 0x7F) return "a control character in a string";
        if (quote == '"' && c == '\\') {
            if (++place->at == place->end) return "a string without its closing quote";
            c = *place->at;
            if (c == 'n') c = '\n';
            else if (c == 't') c = '\t';
            else if (c != '\\' && c != '"') return "an escape other than \\\\ \\\" \\n \\t";
        }
        if (length + 1 >= sizeof value->text) return "a string longer than 1023 bytes";
        value->text[length++] = c;
    }
    if (place->at == place->end) return "a string without its closing quote";
    place->at++;
    value->text[length] = '\0';
    return NULL;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static size_t digits(const char *text) {
    size_t n = 0;
    while (is_digit(text[n])) n++;
    return n;
}

/* Decimal integers and floats as TOML writes them, without "_", exponents, inf or nan. */
static const char *read_number(struct place *place, struct value *value) {
    char text[32];
    size_t length = 0;
    while (place->at < place->end && strchr("+-.0123456789", *place->at) && *place->at != '\0') {
        if (length + 1 >= sizeof text) return "a number longer than 31 characters";
        text[length++] = *place->at++;
    }
    text[length] = '\0';
    const char *rest = text + (text[0] == '+' || text[0] == '-');
    size_t before = digits(rest);
    if (before == 0 || (before > 1 && rest[0] == '0')) return "neither a string in quotes nor a decimal number";
    value->whole = rest[before] == '\0';
    if (!value->whole) {
        if (rest[before] != '.') return "neither a string in quotes nor a decimal number";
        size_t after = digits(rest + before + 1);
        if (after == 0 || rest[before + 1 + after] != '\0') return "neither a string in quotes nor a decimal number";
    }
    /* By hand: strtod would follow the process's locale. */
    double number = 0.0, scale = 1.0;
    bool fraction = false;
    for (; *rest; rest++) {
        if (*rest == '.') {
            fraction = true;
            continue;
        }
        number = number * 10.0 + (*rest - '0');
        if (fraction) scale *= 10.0;
    }
    value->kind = VALUE_NUMBER;
    value->number = (text[0] == '-' ? -number : number) / scale;
    return NULL;
}

static const char *take_text(const struct value *value, char *target, size_t size, bool may_be_empty) {
    if (value->kind != VALUE_TEXT) return "a string in quotes is needed";
    if (!may_be_empty && value->text[0] == '\0') return "the string is empty";
    if (strlen(value->text) >= size) return "the string is too long";
    snprintf(target, size, "%s", value->text);
    return NULL;
}

static const char *take_size(const struct value *value, int64_t *target, double low) {
    if (value->kind != VALUE_NUMBER || !value->whole) return "a whole number is needed";
    if (value->number < low || value->number > 16384) return "outside what a sensor may have (up to 16384)";
    *target = (int64_t)value->number;
    return NULL;
}

bool config_next_pair(const char **at, struct config_pair *pair) {
    *at += strspn(*at, " ");
    if (**at == '\0') return false;
    size_t length = strcspn(*at, " ");
    const char *equals = memchr(*at, '=', length);
    pair->name = *at;
    pair->name_length = equals ? (size_t)(equals - *at) : length;
    pair->value = equals ? equals + 1 : *at + length;
    pair->value_length = length - pair->name_length - (equals ? 1 : 0);
    *at += length;
    return true;
}

bool config_number(const struct config_pair *pair, double *number) {
    struct place place = {pair->value, pair->value + pair->value_length};
    struct value value;
    if (read_number(&place, &value) || place.at != place.end) return false;
    *number = value.number;
    return true;
}

static bool is_word(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || !is_digit(c))) return false;
    }
    return length > 0;
}

static const char *check_renamed(const char *text) {
    struct config_pair pair;
    while (config_next_pair(&text, &pair)) {
        if (register_named(&remote_description, pair.name, pair.name_length) < 0)
            return "renames a feature that the camera does not have";
        if (!is_word(pair.value, pair.value_length)) return "not of the form Feature=Other, pairs divided by blanks";
    }
    return NULL;
}

static const char *check_initial(const char *text) {
    struct config_pair pair;
    while (config_next_pair(&text, &pair)) {
        double number;
        int id = register_named(&remote_description, pair.name, pair.name_length);
        if (id < 0) return "sets a feature that the camera does not have";
        if (!config_number(&pair, &number)) return "not of the form Feature=number, pairs divided by blanks";
        const struct register_entry *entry = &remote_description.entries[id];
        if (entry->kind != KIND_INTEGER && entry->kind != KIND_FLOAT) return "sets a feature that holds no number";
        if (number < entry->low || number > entry->high) return "sets a feature to what it cannot be";
    }
    return NULL;
}

static const char *take_pairs(const struct value *value, char *target, size_t size,
                              const char *(*check)(const char *)) {
    const char *wrong = take_text(value, target, size, true);
    return wrong ? wrong : check(target);
}

static const char *set_device(struct device_config *device, const char *key, const struct value *value) {
    if (strcmp(key, "serial") == 0) return take_text(value, device->serial, sizeof device->serial, false);
    if (strcmp(key, "model") == 0) return take_text(value, device->model, sizeof device->model, false);
    if (strcmp(key, "vendor") == 0) return take_text(value, device->vendor, sizeof device->vendor, false);
    if (strcmp(key, "user_id") == 0) return take_text(value, device->user_id, sizeof device->user_id, true);
    if (strcmp(key, "frames") == 0) return take_text(value, device->frames, sizeof device->frames, true);
    if (strcmp(key, "width") == 0) return take_size(value, &device->width, 64);
    if (strcmp(key, "height") == 0) return take_size(value, &device->height, 4);
    if (strcmp(key, "rename") == 0)
        return take_pairs(value, device->rename, sizeof device->rename, check_renamed);
    if (strcmp(key, "initial") == 0)
        return take_pairs(value, device->initial, sizeof device->initial, check_initial);
    if (strcmp(key, "listings") == 0) {
        if (value->kind != VALUE_NUMBER || !value->whole) return "a whole number is needed";
        if (value->number < 1 || value->number > 4) return "outside 1 to 4";
        device->listings = (int64_t)value->number;
        return NULL;
    }
    if (strcmp(key, "max_fps") == 0) {
        if (value->kind != VALUE_NUMBER) return "a number is needed";
        if (!(value->number >= 1.0 && value->number <= 1e6)) return "outside 1 to 1000000";
        device->max_fps = value->number;
        return NULL;
    }
    return "no such key (serial, model, vendor, user_id, width, height, max_fps, frames, rename, initial, listings)";
}

static const char *set_library(struct config *config, const char *key, const struct value *value) {
    if (strcmp(key, "tl_type") != 0) return "no such key here (tl_type, or a [[device]] table first)";
    if (value->kind != VALUE_TEXT) return "a string in quotes is needed";
    const char *text = value->text;
    if (strcmp(text, "Custom") != 0 && strcmp(text, "U3V") != 0 && strcmp(text, "GEV") != 0)
        return "not one of Custom, U3V, GEV";
    snprintf(config->tl_type, sizeof config->tl_type, "%.15s", text);
    return NULL;
}

/* Keys seen in the present table, to refuse one that comes twice. */
static bool seen_before(char seen[16][16], int *count, const char *key) {
    for (int i = 0; i < *count; i++)
        if (strcmp(seen[i], key) == 0) return true;
    if (*count < 16) snprintf(seen[(*count)++], 16, "%s", key);
    return false;
}

static const char *parse_line(struct place *place, struct config *config, int *devices, char seen[16][16],
                              int *seen_count) {
    static const char header[] = "[[device]]";
    skip_blanks(place);
    if (line_is_over(place)) return NULL;
    if (*place->at == '[') {
        size_t length = sizeof header - 1;
        if ((size_t)(place->end - place->at) < length || memcmp(place->at, header, length) != 0)
            return "the only table is [[device]]";
        place->at += length;
        if (!line_is_over(place)) return "something after [[device]]";
        if (*devices == DEVICES_MAX) return "more than 16 devices";
        (*devices)++;
        *seen_count = 0;
        return NULL;
    }
    char key[16];
    size_t length = 0;
    for (; place->at < place->end; place->at++) {
        char c = *place->at;
        if (!((c >= 'a' && c <= 'z') || c == '_')) break;
        if (length + 1 >= sizeof key) return "no such key";
        key[length++] = c;
    }
    key[length] = '\0';
    skip_blanks(place);
    if (length == 0 || place->at == place->end || *place->at != '=') return "not of the form key = value";
    place->at++;
    skip_blanks(place);
    if (place->at == place->end) return "no value after =";
    struct value value;
    const char *wrong =
        *place->at == '"' || *place->at == '\'' ? read_text(place, &value) : read_number(place, &value);
    if (wrong) return wrong;
    if (!line_is_over(place)) return "something after the value";
    if (seen_before(seen, seen_count, key)) return "the key is there twice";
    return *devices == 0 ? set_library(config, key, &value)
                         : set_device(&config->devices[*devices - 1], key, &value);
}

static bool serials_differ(const struct config *config, char *problem, size_t size) {
    for (int i = 0; i < config->device_count; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(config->devices[i].serial, config->devices[j].serial) == 0)
                return problem_is(problem, size, "two devices have the serial number %s", config->devices[i].serial);
    return true;
}

bool config_parse(const char *text, size_t length, struct config *config, char *problem, size_t problem_size) {
    char seen[16][16];
    int seen_count = 0, devices = 0, line = 0;
    const char *at = text, *end = text + length;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        struct place place = {at, stop > at && newline && stop[-1] == '\r' ? stop - 1 : stop};
        line++;
        const char *wrong = parse_line(&place, config, &devices, seen, &seen_count);
        if (wrong) return problem_is(problem, problem_size, "line %d: %s", line, wrong);
        at = newline ? newline + 1 : end;
    }
    if (devices > 0) config->device_count = devices;
    return serials_differ(config, problem, problem_size);
}

static bool load_file(const char *path, struct config *config, char *problem, size_t size) {
    FILE *file = fopen(path, "rb");
    if (!file) return problem_is(problem, size, "%s: %s", path, strerror(errno));
    char *text = malloc(FILE_LIMIT);
    size_t length = text ? fread(text, 1, FILE_LIMIT, file) : 0;
    bool good = text && !ferror(file) && length < FILE_LIMIT;
    fclose(file);
    char detail[256] = "cannot be read, or is longer than 1 MiB";
    good = good && config_parse(text, length, config, detail, sizeof detail);
    free(text);
    return good || problem_is(problem, size, "%s: %s", path, detail);
}

static bool load_variable(const char *key, struct config *config, char *problem, size_t size) {
    char name[64] = "MOCK_GENTL_";
    size_t prefix = strlen(name);
    for (size_t i = 0; i <= strlen(key); i++)
        name[prefix + i] = key[i] >= 'a' && key[i] <= 'z' ? (char)(key[i] - 'a' + 'A') : key[i];
    char text[LONGEST_VARIABLE];
    if (!environment(name, text, sizeof text)) return true;
    struct value value;
    struct place place = {text, text + strlen(text)};
    bool is_number = strcmp(key, "devices") == 0 || strcmp(key, "width") == 0 || strcmp(key, "height") == 0 ||
                     strcmp(key, "max_fps") == 0 || strcmp(key, "listings") == 0;
    const char *wrong = NULL;
    if (is_number) {
        wrong = read_number(&place, &value);
        if (!wrong && place.at != place.end) wrong = "not a decimal number";
    } else if (strlen(text) >= sizeof value.text) {
        wrong = "longer than 1023 bytes";
    } else {
        value.kind = VALUE_TEXT;
        snprintf(value.text, sizeof value.text, "%s", text);
    }
    if (!wrong && strcmp(key, "devices") == 0) {
        if (!value.whole || value.number < 0 || value.number > DEVICES_MAX) wrong = "not a number from 0 to 16";
        else config->device_count = (int)value.number;
    } else if (!wrong && strcmp(key, "tl_type") == 0) {
        wrong = set_library(config, key, &value);
    } else if (!wrong) {
        for (int i = 0; i < DEVICES_MAX && !wrong; i++) {
            struct value own = value;
            /* One variable for all: the serial number is a prefix. */
            if (strcmp(key, "serial") == 0) {
                if (strlen(value.text) > 50) wrong = "longer than 50 bytes";
                else snprintf(own.text, 64, "%.50s-%04d", value.text, i + 1);
            }
            if (!wrong) wrong = set_device(&config->devices[i], key, &own);
        }
    }
    return !wrong || problem_is(problem, size, "%s: %s", name, wrong);
}

bool config_load(struct config *config, char *problem, size_t problem_size) {
    static const char *const keys[] = {"devices", "tl_type", "serial", "model", "vendor",
                                       "width", "height", "max_fps", "frames",
                                       "rename", "initial", "listings"};
    config_defaults(config);
    char path[LONGEST_VARIABLE];
    if (environment("MOCK_GENTL_CONFIG", path, sizeof path) && !load_file(path, config, problem, problem_size))
        return false;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!load_variable(keys[i], config, problem, problem_size)) return false;
    return serials_differ(config, problem, problem_size);
}
