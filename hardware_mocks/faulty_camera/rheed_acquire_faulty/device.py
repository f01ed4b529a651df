"""The one device there is."""

from rheed_acquire import DeviceInfo

DEVICE = DeviceInfo(backend="faulty", serial="F-1", model="Faulty", vendor="Mock")
