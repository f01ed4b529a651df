/* What the parts of the driver share: the producer's functions, found at run time, and checks that stop it. */
#ifndef DRIVER_H
#define DRIVER_H

#include "gentl.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);  \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)
#define GOOD(call) expect((call), GC_ERR_SUCCESS, #call, __FILE__, __LINE__)
#define EXPECT(code, call) expect((call), code, #call, __FILE__, __LINE__)

/* One pointer for each exported function that the driver calls: gc.TLOpen(...) and so on. */
#define FUNCTIONS(F)                                                                                       \
    F(GCInitLib) F(GCCloseLib) F(GCGetInfo) F(GCGetLastError) F(GCReadPort) F(GCWritePort)                 \
    F(GCReadPortStacked) F(GCWritePortStacked) F(GCGetPortInfo) F(GCGetPortURL) F(GCGetNumPortURLs)        \
    F(GCGetPortURLInfo) F(GCRegisterEvent) F(GCUnregisterEvent) F(EventGetData) F(EventGetDataInfo)        \
    F(EventGetInfo) F(EventFlush) F(EventKill) F(TLOpen) F(TLClose) F(TLGetInfo) F(TLUpdateInterfaceList)  \
    F(TLGetNumInterfaces) F(TLGetInterfaceID) F(TLGetInterfaceInfo) F(TLOpenInterface) F(IFClose)          \
    F(IFGetInfo) F(IFUpdateDeviceList) F(IFGetNumDevices) F(IFGetDeviceID) F(IFGetDeviceInfo)              \
    F(IFOpenDevice) F(IFGetParentTL) F(DevClose) F(DevGetInfo) F(DevGetPort) F(DevGetNumDataStreams)       \
    F(DevGetDataStreamID) F(DevOpenDataStream) F(DevGetParentIF) F(DSClose) F(DSGetInfo)                   \
    F(DSAnnounceBuffer) F(DSAllocAndAnnounceBuffer) F(DSAnnounceCompositeBuffer) F(DSRevokeBuffer)         \
    F(DSQueueBuffer) F(DSFlushQueue) F(DSStartAcquisition) F(DSStopAcquisition) F(DSGetBufferID)           \
    F(DSGetBufferInfo) F(DSGetBufferInfoStacked) F(DSGetBufferChunkData) F(DSGetParentDev)                 \
    F(DSGetNumBufferParts) F(DSGetBufferPartInfo) F(DSGetBufferPartInfoStacked) F(DSGetNumFlows)           \
    F(DSGetFlowInfo) F(DSGetNumBufferSegments) F(DSGetBufferSegmentInfo)
/* The declarations of gentl.h give the types; nothing of that name is linked. */
#define POINTER(name) __typeof__(&name) name;
struct functions {
    FUNCTIONS(POINTER)
};
extern struct functions gc;

void expect(GC_ERROR result, GC_ERROR code, const char *call, const char *file, int line);

/* The chain from library to stream of one device, opened. */
struct chain {
    gc_handle system, interface_, device, port, stream;
};
void open_chain(struct chain *chain, uint32_t device);
void close_chain(struct chain *chain);
void write_integer(gc_handle port, int id, int64_t value);
int64_t read_integer(gc_handle port, int id);
uint64_t address_of(int id);

void check_errors(void);
void check_streaming(void);
void check_faults(void);
void check_quirks(void);
/* Of the environment, which the producer reads when it is initialised. */
void set_variable(const char *name, const char *value);
void check_threads(void);
int parse_configs(void);

#endif
