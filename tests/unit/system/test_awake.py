"""The computer is asked to stay awake exactly as long as a run goes on, and no run fails for it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from rheed_acquire.system.awake import kept_awake

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="systemd's way")
# Says how it was called, then does as the real one: runs its command, and ends with it.
INHIBITOR = """#!/bin/sh
env | grep 5ecret >> "{calls}"
echo "$@" >> "{calls}"
while [ "${{1#--}}" != "$1" ]; do shift; done
"$@"
echo over >> "{calls}"
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a stand-in for systemd-inhibit has been called with, and whether it has ended."""
    program, calls = tmp_path / "systemd-inhibit", tmp_path / "calls"
    program.write_text(INHIBITOR.format(calls=calls), encoding="utf-8")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return calls


def wait_for(path: Path, text: str) -> str:
    deadline = time.monotonic() + 60
    while not path.exists() or text not in path.read_text("utf-8"):
        assert time.monotonic() < deadline, f"{path} never held {text!r}"
        time.sleep(0.02)
    return path.read_text("utf-8")


@linux_only
def test_sleep_is_inhibited_while_a_run_goes_on(calls: Path) -> None:
    with kept_awake():
        assert "--what=sleep:idle" in wait_for(calls, "cat")


@linux_only
def test_who_keeps_the_computer_awake_is_told_no_key(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AS_API_KEY", "ATOMSCALE_API_KEY", "RHEED_API_KEY"):
        monkeypatch.setenv(name, "5ecret")
    with kept_awake():
        assert "5ecret" not in wait_for(calls, "cat")


@linux_only
def test_the_request_ends_with_a_process_that_is_killed(calls: Path) -> None:
    code = "from rheed_acquire.system.awake import kept_awake\nwith kept_awake(): input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    try:
        wait_for(calls, "cat")
    finally:
        process.kill()
        process.communicate()
    wait_for(calls, "over")


@linux_only
@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "#!/no/such/interpreter\n"])
def test_a_system_that_refuses_costs_no_run(calls: Path, script: str) -> None:
    (calls.parent / "systemd-inhibit").write_text(script, encoding="utf-8")
    with kept_awake():
        pass


@linux_only
def test_where_there_is_no_such_program_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with kept_awake():
        pass


@pytest.mark.skipif(sys.platform != "win32", reason="Windows' way")
def test_windows_takes_the_request_and_its_end() -> None:
    if sys.platform == "win32":
        import ctypes

        def state() -> int:
            return int(ctypes.windll.kernel32.SetThreadExecutionState(0x80000000)) & 0xFFFFFFFF

        state()
        with kept_awake():
            assert state() & 1  # what held until then: the system is required
        assert not state() & 1
