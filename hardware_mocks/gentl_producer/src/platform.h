/* Threads, locks and a monotonic clock, on POSIX and Windows. */
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
typedef SRWLOCK mutex_type;
typedef CONDITION_VARIABLE condition_type;
typedef HANDLE thread_type;
#define MUTEX_STATIC SRWLOCK_INIT
#else
#include <pthread.h>
typedef pthread_mutex_t mutex_type;
typedef pthread_cond_t condition_type;
typedef pthread_t thread_type;
#define MUTEX_STATIC PTHREAD_MUTEX_INITIALIZER
#endif

#if defined(_MSC_VER)
#define THREAD_LOCAL __declspec(thread)
#else /* mingw-w64 ignores the attribute of the other */
#define THREAD_LOCAL _Thread_local
#endif

#define FOREVER UINT64_MAX
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

void mutex_lock(mutex_type *mutex);
void mutex_unlock(mutex_type *mutex);

void condition_create(condition_type *condition);
void condition_destroy(condition_type *condition);
void condition_wake_one(condition_type *condition);
void condition_wake_all(condition_type *condition);

/* Wait with `mutex` held; false once clock_ns() has reached `deadline_ns`. May wake early. */
bool condition_wait_until(condition_type *condition, mutex_type *mutex, uint64_t deadline_ns);

bool thread_start(thread_type *thread, void (*run)(void *), void *argument);
void thread_join(thread_type thread);

uint64_t clock_ns(void);

/* A variable of the process's environment as it is now; false where there is none, or an empty one. */
#define LONGEST_VARIABLE 32768
bool environment(const char *name, char *text, size_t size);

/* The path of this shared library, or an empty string. */
void library_path(char *path, size_t size);

/* Keep this library in memory when it is unloaded: what is unplugged must stay so. (Elsewhere the linker does.) */
void library_pin(void);

#endif
