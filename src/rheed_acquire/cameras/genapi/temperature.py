"""A camera's temperature, by SFNC's name or the older one of GigE cameras."""

from __future__ import annotations

from rheed_acquire.cameras.genapi.features import FeatureWriter


def device_temperature_c(writer: FeatureWriter) -> float | None:
    """Read the temperature of the sensor or whatever the camera has selected; None where it tells none."""
    return writer.number("DeviceTemperature", "TemperatureAbs")
