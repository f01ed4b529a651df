"""From the command to the first frame in the accumulator, and to the last line of the help.

The first frame's arrival is read off the first chunk by an observer plugin that is made for the purpose; the
clock is one for all processes of the machine. The files that Python reads are in the system's cache. Beside
each, in turn: an interpreter that does nothing.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks._rounds import Spread, short, turns
from benchmarks._scratch import environment_apart, scratch_folder
from benchmarks._servers import sink_server
from benchmarks._table import Row

LIMIT_S = 60.0
ARRIVAL = "ARRIVAL_OF_THE_FIRST_FRAME"
OBSERVER = f'''
import os
from pathlib import Path
from rheed_acquire import hookimpl

@hookimpl
def rheed_chunk_completed(run, chunk):
    if chunk.index == 0:
        Path(os.environ["{ARRIVAL}"]).write_text(str(int(chunk.host_ns[0])), encoding="ascii")
'''


def rows(quick: bool) -> Iterator[Row]:
    """Measure help and first frame, with the local server and with one that is there already."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        server = stack.enter_context(sink_server(folder))
        arrival = folder / "arrival"
        environment = _environment(folder, arrival)
        account = {"AS_API_KEY": server.api_key.get_secret_value(), "AS_API_ENDPOINT": server.endpoint}
        run = ["--camera", "simulated", "--frames", "1", "--verbosity", "0"]

        def first_frame(environment: dict[str, str]) -> float:
            arrival.unlink(missing_ok=True)
            begun = time.perf_counter_ns()
            _run(["-m", "rheed_acquire", *run], environment, folder)
            return (int(arrival.read_text(encoding="ascii")) - begun) / 1e9

        def whole(arguments: Sequence[str]) -> float:
            begun = time.perf_counter_ns()
            _run(arguments, environment, folder)
            return (time.perf_counter_ns() - begun) / 1e9

        sides: dict[str, Callable[[], float]] = {
            "first frame, local server": lambda: first_frame(environment),
            "first frame, server elsewhere": lambda: first_frame({**environment, **account}),
            "--help": lambda: whole(["-m", "rheed_acquire", "--help"]),
            "python -c pass": lambda: whole(["-c", "pass"]),
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for measure in sides.values():
            measure()
        for _, name in turns(list(sides), 2 if quick else 16):
            seconds[name].append(sides[name]())
    bare = seconds.pop("python -c pass")
    for name, measured in seconds.items():
        yield (
            name,
            f"{short(statistics.median(measured))} s, longest {short(max(measured))} s",
            f"python -c pass {short(statistics.median(bare))} s",
            str(Spread.of_ratios(measured, bare)),
        )


def _environment(folder: Path, arrival: Path) -> dict[str, str]:
    """The environment of a command that finds the observer as it would any installed plugin."""
    site = folder / "site"
    info = site / "first_frame_observer-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "first_frame_observer.py").write_text(OBSERVER, encoding="utf-8")
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: first-frame-observer\nVersion: 1.0\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(
        "[rheed_acquire]\nfirst-frame = first_frame_observer\n", encoding="utf-8"
    )
    apart = environment_apart(folder)
    path = os.pathsep.join([str(site), *filter(None, [apart.get("PYTHONPATH")])])
    return {
        **apart,
        "PYTHONPATH": path,
        "RHEED_OUTPUT": str(folder / "runs"),
        ARRIVAL: str(arrival),
    }


def _run(arguments: Sequence[str], environment: dict[str, str], folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}")
