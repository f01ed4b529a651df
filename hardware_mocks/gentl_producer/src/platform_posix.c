#if !defined(_WIN32)
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* dladdr */
#endif
#include "platform.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void mutex_lock(mutex_type *mutex) { pthread_mutex_lock(mutex); }
void mutex_unlock(mutex_type *mutex) { pthread_mutex_unlock(mutex); }

void condition_create(condition_type *condition) {
#if defined(__APPLE__)
    pthread_cond_init(condition, NULL);
#else
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
#endif
}

void condition_destroy(condition_type *condition) { pthread_cond_destroy(condition); }
void condition_wake_one(condition_type *condition) { pthread_cond_signal(condition); }
void condition_wake_all(condition_type *condition) { pthread_cond_broadcast(condition); }

bool condition_wait_until(condition_type *condition, mutex_type *mutex, uint64_t deadline_ns) {
    if (deadline_ns == FOREVER) {
        pthread_cond_wait(condition, mutex);
        return true;
    }
    struct timespec when;
#if defined(__APPLE__)
    uint64_t now = clock_ns();
    uint64_t rest = deadline_ns > now ? deadline_ns - now : 0;
    when.tv_sec = (time_t)(rest / NS_PER_S);
    when.tv_nsec = (long)(rest % NS_PER_S);
    if (rest > 0) pthread_cond_timedwait_relative_np(condition, mutex, &when);
#else
    when.tv_sec = (time_t)(deadline_ns / NS_PER_S);
    when.tv_nsec = (long)(deadline_ns % NS_PER_S);
    pthread_cond_timedwait(condition, mutex, &when);
#endif
    return clock_ns() < deadline_ns;
}

struct beginning {
    void (*run)(void *);
    void *argument;
};

static void *begin(void *memory) {
    struct beginning beginning = *(struct beginning *)memory;
    free(memory);
    beginning.run(beginning.argument);
    return NULL;
}

bool thread_start(thread_type *thread, void (*run)(void *), void *argument) {
    struct beginning *beginning = malloc(sizeof *beginning);
    if (!beginning) return false;
    beginning->run = run;
    beginning->argument = argument;
    if (pthread_create(thread, NULL, begin, beginning) == 0) return true;
    free(beginning);
    return false;
}

void thread_join(thread_type thread) { pthread_join(thread, NULL); }

uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void library_pin(void) {}

bool environment(const char *name, char *text, size_t size) {
    const char *found = getenv(name);
    if (!found || found[0] == '\0') return false;
    return (size_t)snprintf(text, size, "%s", found) < size;
}

void library_path(char *path, size_t size) {
    Dl_info info;
    bool known = dladdr((void *)(uintptr_t)&library_path, &info) != 0 && info.dli_fname;
    snprintf(path, size, "%s", known ? info.dli_fname : "");
}
#endif
