"""Whether a camera's clock follows a PTP master (IEEE 1588)."""

from __future__ import annotations

from rheed_acquire.cameras.genapi.features import FeatureWriter
from rheed_acquire.cameras.genapi.nodes import NodeRefusalError

# SFNC's names, then the older ones of GigE cameras.
_ENABLE = ("PtpEnable", "GevIEEE1588")
_LATCH = ("PtpDataSetLatch", "GevIEEE1588DataSetLatch")
_STATUS = ("PtpStatus", "GevIEEE1588StatusLatched", "GevIEEE1588Status")
_SERVO = "PtpServoStatus"


def is_ptp_synchronized(writer: FeatureWriter) -> bool:
    """Say whether the camera tells that its clock is the slave of another's.

    A camera that is itself the master counts from any origin, as one without PTP does. One whose servo is not
    yet locked does not count as synchronised.
    """
    if writer.value(*_ENABLE) is not True:
        return False
    latch = writer.first(*_LATCH)
    if latch is not None and latch.writable:
        try:
            latch.execute()
        except NodeRefusalError:
            return False
    return writer.value(*_STATUS) == "Slave" and writer.value(_SERVO) in (None, "Locked")
