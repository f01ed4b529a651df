"""The two fields of an interlaced picture, by FFmpeg's filters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av

from rheed_acquire_video.settings import Deinterlace, FieldOrder

_FILTERS = {Deinterlace.FIELDS: ("separatefields", ""), Deinterlace.INTERPOLATE: ("bwdif", "send_frame")}
_ORDERS = {FieldOrder.TOP: "tff", FieldOrder.BOTTOM: "bff"}


class Deinterlacer:
    """Makes of each picture its two fields, or one picture whose missing rows are made up.

    Parameters
    ----------
    stream
        The video stream whose pictures come.
    """

    def __init__(self, stream: av.VideoStream, how: Deinterlace, order: FieldOrder) -> None:
        graph = av.filter.Graph()
        steps: list[Any] = [graph.add_buffer(template=stream)]
        if order in _ORDERS:
            steps.append(graph.add("setfield", _ORDERS[order]))
        steps.append(graph.add(*_FILTERS[how]))
        steps.append(graph.add("buffersink"))
        graph.link_nodes(*steps).configure()
        self._graph = graph

    def pictures(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Give what is ready once this picture has come."""
        self._graph.vpush(frame)
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
