/* Several threads at once on the same and on different modules, with closes in between. */
#define _GNU_SOURCE
#include "driver.h"

#include "register_map.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#define ROUNDS 12

static struct chain chain;
static gc_handle event;
static atomic_bool stop;

static void nap(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

/* Whatever comes back is fine but a crash, a hang or a race. */
static void *fetches(void *unused) {
    (void)unused;
    while (!stop) {
        struct new_buffer_data data;
        size_t size = sizeof data;
        if (gc.EventGetData(event, &data, &size, 2) == GC_ERR_SUCCESS) {
            uint64_t id;
            gc_number type;
            size = sizeof id;
            gc.DSGetBufferInfo(chain.stream, data.buffer, BUFFER_INFO_FRAMEID, &type, &id, &size);
            gc.DSQueueBuffer(chain.stream, data.buffer);
        }
    }
    return NULL;
}

static void *turns_features(void *unused) {
    (void)unused;
    unsigned n = 0;
    while (!stop) {
        int64_t value = ++n % 8;
        double rate = 500.0 + 100.0 * (n % 10);
        size_t size = sizeof value;
        gc.GCWritePort(chain.port, address_of(REMOTE_TestPattern), &value, &size);
        gc.GCWritePort(chain.port, address_of(REMOTE_AcquisitionFrameRate), &rate, &size);
        value = 16 + 4 * (n % 50);
        gc.GCWritePort(chain.port, address_of(REMOTE_Width), &value, &size);
        gc.GCReadPort(chain.port, address_of(REMOTE_PayloadSize), &value, &size);
        value = 1;
        gc.GCWritePort(chain.port, address_of(n % 5 ? REMOTE_AcquisitionStart : REMOTE_AcquisitionStop), &value, &size);
        if (n % 4 == 0) gc.DSFlushQueue(chain.stream, (gc_number)(n / 4 % 5));
        if (n % 7 == 0) gc.EventKill(event);
        nap(1);
    }
    return NULL;
}

static void *opens_another(void *unused) {
    (void)unused;
    while (!stop) {
        gc_handle device, stream;
        if (gc.IFOpenDevice(chain.interface_, "rheed_mock_MOCK-0002", 4, &device) == GC_ERR_SUCCESS) {
            if (gc.DevOpenDataStream(device, "stream_0", &stream) == GC_ERR_SUCCESS) gc.DSClose(stream);
            gc.DevClose(device);
        }
    }
    return NULL;
}

static void *announces(void *unused) {
    (void)unused;
    while (!stop) {
        gc_handle buffer;
        if (gc.DSAllocAndAnnounceBuffer(chain.stream, 640 * 480, NULL, &buffer) == GC_ERR_SUCCESS) {
            gc.DSQueueBuffer(chain.stream, buffer);
            nap(1);
            for (int i = 0; i < 1000 && gc.DSRevokeBuffer(chain.stream, buffer, NULL, NULL) == GC_ERR_BUSY; i++) {
                gc.DSFlushQueue(chain.stream, ACQ_QUEUE_ALL_DISCARD);
                gc.DSFlushQueue(chain.stream, ACQ_QUEUE_OUTPUT_DISCARD);
            }
        }
    }
    return NULL;
}

static void one_round(int round) {
    pthread_t threads[6];
    void *(*const works[6])(void *) = {fetches, fetches, turns_features, turns_features, opens_another, announces};
    GOOD(gc.GCInitLib());
    open_chain(&chain, 0);
    GOOD(gc.GCRegisterEvent(chain.stream, EVENT_NEW_BUFFER, &event));
    for (int i = 0; i < 4; i++) {
        gc_handle buffer;
        GOOD(gc.DSAllocAndAnnounceBuffer(chain.stream, 640 * 480, NULL, &buffer));
        GOOD(gc.DSQueueBuffer(chain.stream, buffer));
    }
    GOOD(gc.DSStartAcquisition(chain.stream, 0, GENTL_INFINITE));
    stop = false;
    for (int i = 0; i < 6; i++) CHECK(pthread_create(&threads[i], NULL, works[i], NULL) == 0);
    nap(40);
    /* Each round pulls the ground away at another height while all of them run. */
    if (round % 6 == 0) gc.GCUnregisterEvent(chain.stream, EVENT_NEW_BUFFER);
    if (round % 6 == 1) gc.DSClose(chain.stream);
    if (round % 6 == 2) gc.DevClose(chain.device);
    if (round % 6 == 3) gc.TLClose(chain.system);
    if (round % 6 == 4) GOOD(gc.GCCloseLib());
    nap(10);
    stop = true;
    for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
    if (round % 6 != 4) GOOD(gc.GCCloseLib());
}

void check_threads(void) {
    for (int round = 0; round < ROUNDS; round++) one_round(round);
}
