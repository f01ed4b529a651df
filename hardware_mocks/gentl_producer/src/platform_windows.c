#if defined(_WIN32)
#include "platform.h"

#include <process.h>
#include <stdlib.h>

void mutex_lock(mutex_type *mutex) { AcquireSRWLockExclusive(mutex); }
void mutex_unlock(mutex_type *mutex) { ReleaseSRWLockExclusive(mutex); }

void condition_create(condition_type *condition) { InitializeConditionVariable(condition); }
void condition_destroy(condition_type *condition) { (void)condition; }
void condition_wake_one(condition_type *condition) { WakeConditionVariable(condition); }
void condition_wake_all(condition_type *condition) { WakeAllConditionVariable(condition); }

/* A condition variable waits in whole milliseconds and rounds up to the timer tick. Waits shorter than two of
 * them give the processor away instead, so that frames of a fast camera are not late by a tick each. */
bool condition_wait_until(condition_type *condition, mutex_type *mutex, uint64_t deadline_ns) {
    if (deadline_ns == FOREVER) {
        SleepConditionVariableSRW(condition, mutex, INFINITE, 0);
        return true;
    }
    uint64_t now = clock_ns();
    if (now >= deadline_ns) return false;
    uint64_t rest_ms = (deadline_ns - now) / NS_PER_MS;
    if (rest_ms >= 2) {
        DWORD wait = rest_ms > 0x7FFFFFFF ? 0x7FFFFFFF : (DWORD)(rest_ms - 1);
        SleepConditionVariableSRW(condition, mutex, wait, 0);
    } else {
        ReleaseSRWLockExclusive(mutex);
        SwitchToThread();
        AcquireSRWLockExclusive(mutex);
    }
    return clock_ns() < deadline_ns;
}

/* Not getenv: each C library of a process has a copy of the environment of its own, as of when it was loaded. */
bool environment(const char *name, char *text, size_t size) {
    DWORD length = GetEnvironmentVariableA(name, text, (DWORD)size);
    return length > 0 && length < size;
}

struct beginning {
    void (*run)(void *);
    void *argument;
};

static unsigned __stdcall begin(void *memory) {
    struct beginning beginning = *(struct beginning *)memory;
    free(memory);
    beginning.run(beginning.argument);
    return 0;
}

bool thread_start(thread_type *thread, void (*run)(void *), void *argument) {
    struct beginning *beginning = malloc(sizeof *beginning);
    if (!beginning) return false;
    beginning->run = run;
    beginning->argument = argument;
    *thread = (HANDLE)_beginthreadex(NULL, 0, begin, beginning, 0, NULL);
    if (*thread) return true;
    free(beginning);
    return false;
}

void thread_join(thread_type thread) {
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

uint64_t clock_ns(void) {
    static LARGE_INTEGER frequency; /* the same value whoever writes it first */
    LARGE_INTEGER now;
    if (frequency.QuadPart == 0) QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&now);
    uint64_t per_s = (uint64_t)frequency.QuadPart;
    uint64_t ticks = (uint64_t)now.QuadPart;
    return ticks / per_s * NS_PER_S + ticks % per_s * NS_PER_S / per_s;
}

void library_pin(void) {
    HMODULE module;
    GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN, (LPCSTR)&library_pin,
                       &module);
}

void library_path(char *path, size_t size) {
    HMODULE module = NULL;
    DWORD flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    path[0] = '\0';
    if (GetModuleHandleExA(flags, (LPCSTR)&library_path, &module)) {
        DWORD length = GetModuleFileNameA(module, path, (DWORD)size);
        if (length == 0 || length >= size) path[0] = '\0';
    }
}
#endif
