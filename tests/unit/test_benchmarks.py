"""The benchmarks: that they can be run, and that what they make of their readings is right."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
NAMES = [found.name for found in pkgutil.iter_modules([str(ROOT / "benchmarks")]) if found.name != "__main__"]

sides = st.lists(st.integers(), min_size=1, max_size=5, unique=True)


@pytest.fixture(autouse=True)
def benchmarks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


def module(name: str) -> Any:
    return importlib.import_module(f"benchmarks.{name}")


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("_")])
def test_every_benchmark_imports_and_gives_rows_quick_or_whole(name: str) -> None:
    assert list(inspect.signature(module(name).rows).parameters) == ["quick"]


@given(taking_turns=sides, rounds=st.integers(0, 12))
def test_each_side_has_its_turn_once_a_round(taking_turns: list[int], rounds: int) -> None:
    turns = list(module("_rounds").turns(taking_turns, rounds))
    assert Counter(turns) == {(number, side): 1 for number in range(rounds) for side in taking_turns}
    assert [number for number, _ in turns] == sorted(number for number, _ in turns)


@given(taking_turns=sides)
def test_each_side_comes_first_and_last_equally_often(taking_turns: list[int]) -> None:
    count = len(taking_turns)
    turns = [side for _, side in module("_rounds").turns(taking_turns, 2 * count)]
    for place in (0, count - 1):
        assert Counter(turns[place::count]) == dict.fromkeys(taking_turns, 2)


def test_a_spread_is_of_each_rounds_own_ratio_and_not_of_the_medians() -> None:
    spread = module("_rounds").Spread.of_ratios([10.0, 2.0, 9.0], [5.0, 4.0, 3.0])
    assert (spread.median, spread.lowest, spread.highest) == (2.0, 0.5, 3.0)
    assert str(spread) == "2.00 (0.500 to 3.00)"


@pytest.mark.parametrize(("ones", "others"), [([], []), ([1.0], []), ([1.0], [1.0, 2.0])])
def test_rounds_that_do_not_fit_have_no_spread(ones: list[float], others: list[float]) -> None:
    with pytest.raises(ValueError, match=r"round|shorter|longer"):
        module("_rounds").Spread.of_ratios(ones, others)


@pytest.mark.parametrize(
    ("figure", "written"),
    [
        (12345.6, "12,346"),
        (99.94, "99.9"),
        (1.234, "1.23"),
        (0.98765, "0.988"),
        (0.01234, "0.0123"),
        (0, "0.0000"),
    ],
)
def test_figures_have_three_digits_that_count(figure: float, written: str) -> None:
    assert module("_rounds").short(figure) == written


def test_a_table_replaces_the_one_of_its_name_and_nothing_else(tmp_path: Path) -> None:
    table = module("_table")
    page = tmp_path / "page.md"
    there = "### callback\n\nlast year\n\n| kept |\n\n### start\n\nlast year\n\n| replaced |"
    page.write_text(f"before\n{table.BEGIN}\n\n{there}\n\n{table.END}\nafter\n", encoding="utf-8")
    rows = [("start", "c", "3", "4", ""), ("encode", "a | b", "1", "2", "0.5")]
    table.write_into(page, rows, ["two processors", "Linux"], "--quick")
    once = page.read_text(encoding="utf-8")
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    headings = [line for line in once.splitlines() if line.startswith("### ")]
    assert headings == ["### callback", "### encode", "### start"]
    assert "### callback\n\nlast year\n\n| kept |\n\n### encode" in once
    assert "replaced" not in once
    assert "| a \\| b | 1 | 2 | 0.5 |" in once
    assert once.count("`: two processors; Linux.") == 2
    assert "`python -m benchmarks encode --quick`" in once
    table.write_into(page, rows, ["two processors", "Linux"], "--quick")
    assert page.read_text(encoding="utf-8") == once


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match=r"page\.md has no lines"):
        module("_table").write_into(page, [], [], "")
    assert page.read_text(encoding="utf-8") == "no marks"


def test_the_documentation_has_a_place_for_the_table() -> None:
    table = module("_table")
    text = module("__main__").PAGE.read_text(encoding="utf-8")
    assert 0 <= text.index(table.BEGIN) < text.index(table.END)


def test_a_benchmark_that_fails_is_said_to_have_and_the_others_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(quick: bool) -> Iterator[tuple[str, ...]]:
        yield ("a case", "1 s", "2 s", "0.500")
        raise RuntimeError("deliberate")

    def lacks(quick: bool) -> Iterator[tuple[str, ...]]:
        raise module("_rounds").UnavailableError("no such camera here")
        yield

    monkeypatch.setattr(module("encode"), "rows", fails)
    monkeypatch.setattr(module("start"), "rows", lacks)
    assert module("__main__").main(["encode", "start"]) == 1
    printed = capsys.readouterr()
    assert "a case" in printed.out
    assert "failed" in printed.out
    assert "no such camera here" in printed.out
    assert "deliberate" in printed.err


def test_a_name_that_is_no_benchmark_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        module("__main__").main(["encoding"])
    assert "encode" in capsys.readouterr().err


def test_a_frames_cost_is_counted_from_one_reading_to_the_next() -> None:
    growth = module("growth")
    early = growth.Meter(chunks=10, cpu_s=1.0, wall_s=5.0, server_s=0.5, resident=0)
    late = growth.Meter(chunks=20, cpu_s=1.24, wall_s=5.48, server_s=0.5, resident=0)
    costs = [late.since(early, what) for what in ("cpu_s", "wall_s", "server_s")]
    assert costs == pytest.approx([100.0, 200.0, 0.0])


@pytest.mark.parametrize("pixel_format", ["Mono8", "Mono12p"])
def test_the_accumulators_own_cost_is_less_than_the_whole(pixel_format: str) -> None:
    whole, own, copied, late = module("callback")._Bench(pixel_format, 30, 40, 1e6).run(50)
    assert len(whole) == 50
    assert (own > 0).all()
    assert (own < whole).all()
    assert (copied > 0).all()
    assert (late >= 0).all()


def test_a_push_is_measured_in_a_process_of_its_own_and_every_chunk_arrives(tmp_path: Path) -> None:
    pushes = module("_pushes")
    case = pushes.Case("noise", 4, 6, 8, "sink", paced=False, chunks=5, rounds=1)
    frames = tmp_path / "frames.npy"
    np.save(frames, module("_frames").make_frames("noise", 8, 6, 8))
    begun = time.perf_counter()
    figures = pushes.push(case, pushes.OURS, pushes.sys.executable, frames)
    assert len(figures["pushes_s"]) == 5
    assert 0 < sum(figures["pushes_s"]) <= figures["seconds"] < time.perf_counter() - begun
    assert figures["written"] is None or figures["written"] >= 0
    assert figures["memory_before"] is None or 0 < figures["memory_before"] <= figures["memory_peak"]


def test_a_client_whose_chunks_do_not_all_arrive_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushes = module("_pushes")
    program = tmp_path / "_push_program.py"
    program.write_text(
        "import json; print(json.dumps({'data_id': 'stream-1', 'report': 'all is well'}))", encoding="utf-8"
    )
    monkeypatch.setattr(pushes, "__file__", str(tmp_path / "_pushes.py"))
    case = pushes.Case("noise", 4, 6, 8, "sink", paced=False, chunks=5, rounds=1)
    with pytest.raises(RuntimeError, match="0 of 5 chunks arrived: all is well"):
        pushes.push(case, pushes.OURS, pushes.sys.executable, tmp_path / "frames.npy")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs processes kept to some processors")
def test_processors_are_doubled_up_to_all_and_given_back() -> None:
    scaling = module("scaling")
    there = os.sched_getaffinity(0)
    counts = scaling.counts()
    assert (counts[0], counts[-1]) == (1, len(there))
    assert counts == sorted(set(counts))
    for processors in counts:
        with scaling.only(processors):
            assert len(os.sched_getaffinity(0)) == processors
        assert os.sched_getaffinity(0) == there
