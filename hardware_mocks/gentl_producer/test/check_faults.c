/* A device that is lost answers GC_ERR_IO until it is closed, can be closed in every state, and comes back. */
#include "driver.h"

#include "register_map.h"
#include "registers.h"

#include <string.h>

static void check_events(gc_handle event, const char *id, uint64_t number) {
    char data[512], text[64];
    uint64_t got = 0;
    gc_number type;
    size_t size = sizeof data;
    GOOD(gc.EventGetData(event, data, &size, 1000));
    size_t text_size = sizeof text, number_size = sizeof got;
    GOOD(gc.EventGetDataInfo(event, data, size, EVENT_DATA_ID, &type, text, &text_size));
    GOOD(gc.EventGetDataInfo(event, data, size, EVENT_DATA_NUMID, &type, &got, &number_size));
    CHECK(strcmp(text, id) == 0 && got == number);
    text_size = sizeof text;
    GOOD(gc.EventGetDataInfo(event, data, size, EVENT_DATA_VALUE, &type, text, &text_size));
    EXPECT(GC_ERR_INVALID_PARAMETER, gc.EventGetDataInfo(event, data, 3, 0, &type, text, &text_size));
}

void check_faults(void) {
    struct chain chain;
    gc_handle buffers[3], error, lost, out;
    GOOD(gc.GCInitLib());
    open_chain(&chain, 1);
    GOOD(gc.GCRegisterEvent(chain.device, EVENT_ERROR, &error));
    GOOD(gc.GCRegisterEvent(chain.device, EVENT_MODULE, &lost));
    for (int i = 0; i < 3; i++) {
        GOOD(gc.DSAllocAndAnnounceBuffer(chain.stream, 640 * 480, NULL, &buffers[i]));
        GOOD(gc.DSQueueBuffer(chain.stream, buffers[i]));
    }
    GOOD(gc.DSStartAcquisition(chain.stream, 0, GENTL_INFINITE));
    write_integer(chain.port, REMOTE_FaultReturnAfter, 0);
    write_integer(chain.port, REMOTE_AcquisitionStart, 1);
    write_integer(chain.port, REMOTE_FaultLoseDevice, 1);
    int64_t value;
    size_t size = sizeof value;
    EXPECT(GC_ERR_IO, gc.GCReadPort(chain.port, address_of(REMOTE_Width), &value, &size));
    EXPECT(GC_ERR_IO, gc.GCWritePort(chain.port, address_of(REMOTE_Width), &value, &size));
    check_events(error, "-1010", (uint64_t)-1010);
    check_events(lost, "9001", 0x9001);
    GOOD(gc.DSStopAcquisition(chain.stream, 1));
    EXPECT(GC_ERR_IO, gc.DSStartAcquisition(chain.stream, 0, GENTL_INFINITE));
    GOOD(gc.DSFlushQueue(chain.stream, ACQ_QUEUE_ALL_DISCARD));
    GOOD(gc.DSRevokeBuffer(chain.stream, buffers[0], NULL, NULL));
    GOOD(gc.DSClose(chain.stream)); /* the other buffers with it */
    GOOD(gc.DevClose(chain.device));
    EXPECT(GC_ERR_NOT_AVAILABLE, gc.IFOpenDevice(chain.interface_, "rheed_mock_MOCK-0002", 4, &out));
    bool8_t changed = 0;
    uint32_t count = 0;
    GOOD(gc.IFUpdateDeviceList(chain.interface_, &changed, 0));
    GOOD(gc.IFGetNumDevices(chain.interface_, &count));
    CHECK(changed && count == 1);
    EXPECT(GC_ERR_INVALID_ID, gc.IFOpenDevice(chain.interface_, "rheed_mock_MOCK-0002", 4, &out));
    GOOD(gc.IFClose(chain.interface_));
    GOOD(gc.TLClose(chain.system));
    GOOD(gc.GCCloseLib()); /* does not plug it in again; the interface's command does */
    GOOD(gc.GCInitLib());
    open_chain(&chain, 0);
    GOOD(gc.IFGetNumDevices(chain.interface_, &count));
    CHECK(count == 1);
    value = 1;
    size = sizeof value;
    uint64_t address = interface_description.entries[INTERFACE_FaultReturnDevices].address;
    GOOD(gc.GCWritePort(chain.interface_, address, &value, &size));
    close_chain(&chain);
    open_chain(&chain, 1);
    close_chain(&chain);
    GOOD(gc.GCCloseLib());
}
