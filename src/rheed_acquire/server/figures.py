"""What Prometheus reads of a server at ``/metrics``, in its text format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_PREFIX = "rheed_acquire_server_"
_OPEN = (f"{_PREFIX}streams_open", "Streams that are open at this place, whichever server they were made by.")
_COUNTERS = {
    "chunks": ("chunks_stored", "Chunks that this server has found whole and put in their place."),
    "bytes": ("stored_bytes", "Bytes of these chunks, as they were uploaded."),
    "refused": ("refusals", "Requests that this server has refused, by HTTP status."),
    "failed": ("store_errors", "Times that disk or object store did not do what this server asked."),
}
_SECONDS = ("request_seconds", "Time that answers took, by what was asked for.")
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def known_server_metrics() -> Iterator[tuple[str, str, str]]:
    """Yield every metric there can be: its name as Prometheus shows it, its type, what it means."""
    yield _OPEN[0], "gauge", _OPEN[1]
    for key, (name, meaning) in _COUNTERS.items():
        label = '{status="..."}' if key == "refused" else ""
        yield f"{_PREFIX}{name}_total{label}", "counter", meaning
    yield f'{_PREFIX}{_SECONDS[0]}{{request="..."}}', "histogram", _SECONDS[1]


class Figures:
    """Counts what a server does. Thread-safe."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._counters = {
            key: Counter(
                f"{_PREFIX}{name}", meaning, ["status"] if key == "refused" else [], registry=self._registry
            )
            for key, (name, meaning) in _COUNTERS.items()
        }
        self._seconds = Histogram(
            f"{_PREFIX}{_SECONDS[0]}", _SECONDS[1], ["request"], buckets=_BUCKETS, registry=self._registry
        )

    def stored(self, size: int) -> None:
        """Count a chunk of so many bytes."""
        self._counters["chunks"].inc()
        self._counters["bytes"].inc(size)

    def store_failed(self) -> None:
        """Count an error of disk or object store."""
        self._counters["failed"].inc()

    def answered(self, request: str, status: int, took_s: float) -> None:
        """Count an answer."""
        self._seconds.labels(request).observe(took_s)
        if 400 <= status < 500:
            self._counters["refused"].labels(str(status)).inc()

    def text(self, count_open: Callable[[], int]) -> bytes:
        """Write all of it, and how many streams are open."""
        scraped = CollectorRegistry(auto_describe=False)
        scraped.register(_OpenStreams(count_open))
        return generate_latest(scraped) + generate_latest(self._registry)


class _OpenStreams:
    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count

    def collect(self) -> Iterable[Metric]:
        """Yield the one metric that is looked up when it is asked for."""
        yield GaugeMetricFamily(*_OPEN, value=self._count())
