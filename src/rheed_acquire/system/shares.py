"""Work on many frames, shared among the processors."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def in_shares(count: int, least: int, work: Callable[[int, int], object], most: int | None = None) -> None:
    """Call ``work(begin, end)`` for shares of 0 to ``count``, side by side; each place is in one of them.

    It pays where the work lets go of the GIL. All shares have ended when this returns or raises, also where
    it is interrupted.

    Parameters
    ----------
    count
        Of what there is to do; with 0, ``work`` is called with that.
    least
        That is worth a thread.
    work
        Gets the first place of its share, and that behind the last. Called in this thread for the first
        share, in threads of their own for the others. What it raises is raised here.
    most
        Shares at most; as many as there are processors where it is None, and never more.
    """
    shares = max(1, min(os.cpu_count() or 1, most or count, count // least))
    bounds = [count * share // shares for share in range(shares + 1)]
    if shares == 1:
        work(0, count)
        return
    with ThreadPoolExecutor(shares - 1, "share") as others:
        waiting = [others.submit(work, *bounds[share : share + 2]) for share in range(1, shares)]
        work(*bounds[:2])
        for one in waiting:
            one.result()
