"""Work that is shared among the processors."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.system.shares import in_shares


@given(st.integers(0, 1000), st.integers(1, 300), st.none() | st.integers(1, 8), st.integers(1, 16))
def test_each_place_is_done_once(count: int, least: int, most: int | None, processors: int) -> None:
    """Whatever there is to do, and however many processors there are."""
    done: list[int] = []
    shares = []

    def work(begin: int, end: int) -> None:
        shares.append((begin, end))
        done.extend(range(begin, end))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "cpu_count", lambda: processors)
        in_shares(count, least, work, most)
    assert sorted(done) == list(range(count))
    assert len(shares) <= min(processors, most or processors)
    assert len(shares) == 1 or all(end - begin >= least for begin, end in shares)


@pytest.mark.parametrize("at_fault", [0, 1])
def test_an_error_is_raised_when_all_have_ended(monkeypatch: pytest.MonkeyPatch, at_fault: int) -> None:
    """What the others write to may be used again at once."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    other_may_end, ended = threading.Event(), []

    def work(begin: int, end: int) -> None:
        if (begin > 0) == bool(at_fault):
            other_may_end.set()
            raise ValueError(str(begin))
        assert other_may_end.wait(60)
        ended.append((begin, end))

    with pytest.raises(ValueError, match="^50$" if at_fault else "^0$"):
        in_shares(100, 10, work)
    assert ended == [(0, 50) if at_fault else (50, 100)]
