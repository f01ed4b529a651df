"""Every run leaves a report with the figures of its ``--json``, however it ended; it can be made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from markupsafe import escape
from tests.integration.command.conftest import silent_after
from tests.integration.command.test_serve import addressed

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

THIRD = ("--camera", "thirdparty", "--thirdparty.fps", "50")
REGION = ("--region", "counter=4x1+0+0#336699")
"""The first of the pixels that the camera counts its frames in."""


def left_by(command: Command, folder: str = "runs") -> tuple[dict[str, Any], str]:
    """The report of the one run there is: data and page."""
    (file,) = command.folder.glob(f"{folder}/*/report.json")
    return json.loads(file.read_bytes()), file.with_suffix(".html").read_text(encoding="utf-8")


def test_the_reports_figures_are_those_of_the_run_and_can_be_counted_again(command: Command) -> None:
    figures = command.report(*THIRD, *REGION, "--frames", "120", "--stream-name", "GaN <7>")
    report, page = left_by(command)
    assert report["run"] == figures
    assert figures["report"] == str(next(command.folder.glob("runs/*/report.html")))
    assert (report["frames"], report["made_from"], report["name"]) == (120, "run", "GaN <7>")
    assert {"key": "frames", "value": "120", "source": "--frames"} in report["settings"]
    assert "plugin thirdparty" in report["versions"]
    assert "<title>GaN &lt;7&gt; - run report</title>" in page
    assert "delivered" in page
    (region,) = report["regions"]
    assert region["frames"] == 120
    assert region["trace"]["mean"] == [number / 4 for number in range(120)]

    done = command("report", "gan")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == Path(figures["report"]).relative_to(command.folder)
    again, _ = left_by(command)
    assert again["run"] == figures
    assert again["settings"] == report["settings"]
    for key in ("frames", "mean", "lowest", "highest", "brightest"):
        assert again["regions"][0][key] == region[key]
    assert again["regions"][0]["trace"]["mean"] == region["trace"]["mean"]
    other = command("report", "gan", "--region", "all=32x24+0+0", "--json")
    assert other.returncode == 0, other.stderr
    assert json.loads(other.stdout)["frames"] == 120
    assert [one["name"] for one in left_by(command)[0]["regions"]] == ["all"]


@pytest.mark.parametrize(
    ("flags", "code", "word"),
    [
        (("--frames", "40", "--thirdparty.skip", "10"), 3, "incomplete"),
        (("--thirdparty.vanish-after", "30", "--reconnect-timeout", "0"), 3, "incomplete"),
        (
            ("--thirdparty.skip", "0", "--thirdparty.vanish-after", "1", "--reconnect-timeout", "0"),
            1,
            "failed",
        ),
    ],
)
def test_a_run_that_lost_frames_or_failed_says_so_and_why(
    command: Command, flags: tuple[str, ...], code: int, word: str
) -> None:
    figures = command.report(*THIRD, *flags, code=code)
    report, page = left_by(command)
    assert report["run"] == figures
    assert figures["exit_code"] == code
    assert f"<strong>{word}</strong>" in page
    for problem in figures["problems"]:
        assert escape(problem["text"]) in page
    if figures["gap_count"]:
        (loss,) = report["losses"]
        assert (loss["kind"], loss["missing"]) == ("gap", 1)
        assert loss["utc_ms"] == pytest.approx(report["first_utc_ms"] + 11 * 20, abs=0.01)


def test_an_interrupted_run_leaves_its_report(command: Command) -> None:
    run = command.start(*silent_after(30), "--json")
    command.wait_for("paused")
    command.interrupt(run)
    done = command.finish(run)
    assert done.returncode == 0, done.stderr
    report, page = left_by(command)
    assert report["run"] == json.loads(done.stdout)
    assert report["frames"] == 30
    assert "delivered" in page


def test_of_a_run_that_was_killed_there_is_its_beginning_and_what_was_recorded(command: Command) -> None:
    run = command.start(*silent_after(130))
    command.wait_for("paused")
    (group,) = command.folder.glob("runs/*/frames.zarr")
    while not (group / "frames" / "c" / "0" / "0" / "0").exists():
        assert run.poll() is None
    run.kill()
    command.finish(run)
    (file,) = command.folder.glob("runs/*/report.json")
    assert json.loads(file.read_bytes())["made_from"] == "beginning"
    done = command("report", str(file.parent))
    assert done.returncode == 0, done.stderr
    report, page = left_by(command)
    assert (report["run"], report["made_from"], report["frames"]) == (None, "recording", 100)
    assert {"key": "camera", "value": "thirdparty", "source": "--camera"} in report["settings"]
    assert report["camera"]["serial"] == "TP-1"
    assert "Unknown: the run has left no report of it." in page


def test_a_run_to_another_server_keeps_its_report_here(command: Command) -> None:
    server = command.start("serve", "--dir", "there")
    client = addressed(server, 2)
    figures = command.report(*THIRD, *REGION, "--frames", "20", "--stream-name", "sent", code=0, **client)
    command.interrupt(server)
    assert command.finish(server).returncode == 0
    report, page = left_by(command)
    assert report["run"] == figures
    assert report["regions"][0]["frames"] == 20
    assert figures["output"] is None
    folder = Path(figures["report"]).parent
    assert folder.parent == Path("runs")
    assert folder.name.endswith(f"-sent-{figures['data_id'][:8]}")
    assert client["AS_API_KEY"] not in page + json.dumps(report)
    told = command.error("report", "sent", code=1)
    assert "holds no recording" in told
    (recording,) = command.folder.glob("there/*/frames.zarr")
    assert not (recording.parent / "report.json").exists()


def test_a_report_that_cannot_be_written_is_a_warning_and_no_failure(command: Command) -> None:
    server = command.start("serve", "--dir", "there")
    client = addressed(server, 2)
    command.write("runs", "in the way")
    done = command(*THIRD, "--frames", "20", **client)
    command.interrupt(server)
    command.finish(server)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("delivered: all 20 frames")
    assert "  warning    no report was written in runs" in done.stdout
    assert "  report  " not in done.stdout
