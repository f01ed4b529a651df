"""What Prometheus reads: the run's figures and the regions' intensities, in its text format."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from rheed_acquire.view.server.history import TraceHistory

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_PREFIX = "rheed_acquire_"
_COUNTERS = {
    "frames": ("frames_received", "Frames that the camera delivered in this run."),
    "missing": ("frames_missing", "Frames that the camera's frame ids say are missing."),
    "gaps": ("gaps", "Gaps in the camera's frame ids."),
    "overruns": ("frames_overrun", "Frames received while the ring was full."),
    "not_taken": ("frames_not_taken", "Frames in chunks that the streamer failed to take."),
    "chunks_uploaded": ("chunks_uploaded", "Chunks that the server has confirmed."),
    "chunks_spooled": ("chunks_spooled", "Chunks that were written to disk; the others went from memory."),
}
_GAUGES = {
    "running": ("running", "1 while a run is recorded, 0 in preview.", 1.0),
    "elapsed_s": ("elapsed_seconds", "Time since the run began.", 1.0),
    "fps_asked": ("asked_frame_rate_hertz", "Frame rate that the run declares.", 1.0),
    "fps_measured": ("measured_frame_rate_hertz", "Frame rate of late.", 1.0),
    "camera_present": ("camera_present", "1 while the camera is there, 0 while it is lost.", 1.0),
    "camera_away_s": ("camera_away_seconds", "Time since the last frame, while the camera is lost.", 1.0),
    "camera_attempts": ("camera_reopen_attempts", "Attempts to open the lost camera again.", 1.0),
    "silent_s": ("silence_seconds", "Time since the last frame.", 1.0),
    "chunks_queued": ("chunks_queued", "Chunks on their way.", 1.0),
    "spool_bytes": ("spool_bytes", "Encoded chunks that wait on disk.", 1.0),
    "upload_rate_bytes_s": ("upload_bytes_per_second", "Upload rate of late.", 1.0),
    "clock_offset_ms": ("clock_offset_seconds", "Server's clock less this computer's.", 1e-3),
    "clock_uncertainty_ms": ("clock_uncertainty_seconds", "Bound of the error of that.", 1e-3),
    "temperature_c": ("camera_temperature_celsius", "Temperature of the camera.", 1.0),
}
_OF_REGIONS = {
    "mean": ("region_mean", "Mean gray level of the region in the last frame."),
    "maximum": ("region_maximum", "Highest gray level of the region in the last frame."),
}


def known_metrics() -> Iterator[tuple[str, str, str]]:
    """Yield every metric there can be: its name as Prometheus shows it, its type, what it means."""
    for name, meaning in _COUNTERS.values():
        yield f"{_PREFIX}{name}_total", "counter", meaning
    for name, meaning, _ in _GAUGES.values():
        yield f"{_PREFIX}{name}", "gauge", meaning
    for name, meaning in _OF_REGIONS.values():
        yield f'{_PREFIX}{name}{{region="..."}}', "gauge", meaning


class RunCollector:
    """Turns the newest state into metrics whenever they are asked for. What is unknown is left out."""

    def __init__(self, state: Callable[[], Mapping[str, Any]], history: TraceHistory) -> None:
        self._state, self._history = state, history

    def collect(self) -> Iterable[Metric]:
        """Yield every metric."""
        state = self._state()
        for key, (name, help_text) in _COUNTERS.items():
            if _is_number(state.get(key)):
                yield CounterMetricFamily(f"{_PREFIX}{name}", help_text, value=float(state[key]))
        for key, (name, help_text, factor) in _GAUGES.items():
            if _is_number(state.get(key)):
                yield GaugeMetricFamily(f"{_PREFIX}{name}", help_text, value=state[key] * factor)
        if state.get("camera_present") is False:
            return  # the last frame tells nothing of now
        regions, means, maxima = self._history.latest()
        for key, values in (("mean", means), ("maximum", maxima)):
            name, help_text = _OF_REGIONS[key]
            family = GaugeMetricFamily(f"{_PREFIX}{name}", help_text, labels=["region"])
            for region, value in zip(regions, values, strict=True):
                if not math.isnan(value):
                    family.add_metric([region.name], float(value))
            yield family


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def metrics_text(collector: RunCollector) -> bytes:
    """Write every metric in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)
