"""The whole command with sources of FFmpeg: losses, depth, and passwords that nobody else is to read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from tests.hardware.video.mjpeg_server import MjpegServer
from tests.hardware.video.numbered import number_of
from tests.hardware.video.rtsp_server import RtspServer
from tests.hardware.video.taking import LIMIT_S, taking

from rheed_acquire import CameraError
from rheed_acquire.cli import main
from rheed_acquire_video import VideoSettings

PASSWORD = "s3cr3t-w0rd"
LOGIN = f"grower:{PASSWORD}"


def start(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RHEED_", "AS_API_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "rheed_acquire", *arguments],
        cwd=folder,
        env=kept | {"PYTHONUTF8": "1", "RHEED_SPOOL_DIR": str(folder / "spool"), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def stream_of(folder: Path, report: dict[str, Any]) -> Any:
    return zarr.open_group(folder / report["output"] / "frames.zarr", mode="r")["frames"][:]  # type: ignore[index]


def with_login(url: str) -> str:
    return url.replace("://", f"://{LOGIN}@")


def test_a_network_camera_that_comes_back_is_taken_on_and_its_password_is_nowhere(tmp_path: Path) -> None:
    with MjpegServer(login=LOGIN) as camera:
        run = start(
            tmp_path,
            *("--camera", "video", "--fps", "50", "--frames", "150", "--json"),
            *("--log-file", "run.log", "--verbosity", "4"),
            RHEED_VIDEO__URL=with_login(camera.url),
        )
        try:
            limit = time.monotonic() + LIMIT_S
            streams = None  # since so many pictures
            while (streams is None or camera.sent < streams + 60) and run.poll() is None:
                assert time.monotonic() < limit, "no stream has begun"
                if streams is None and any(tmp_path.glob("runs/*/frames.zarr")):
                    streams = camera.sent
                time.sleep(0.02)
            command_line = Path(f"/proc/{run.pid}/cmdline")
            listed = command_line.read_text() if command_line.exists() else ""
            camera.stop()
            with MjpegServer(camera.port, login=LOGIN):
                out, err = run.communicate(timeout=LIMIT_S)
        finally:
            run.kill()
            run.communicate()
    report = json.loads(out)
    assert (run.returncode, report["frames_received"]) == (3, 150), err
    assert f"127.0.0.1:{camera.port}" in out
    numbers = [number_of(frame) for frame in stream_of(tmp_path, report)]
    (again,) = (at for at in range(1, 150) if numbers[at] < numbers[at - 1])
    for part in (numbers[:again], numbers[again:]):
        assert part == list(range(part[0], part[0] + len(part)))
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(file.name == "run.log" for file in written)
    for text in (out, err, listed, *(file.read_bytes().decode("latin-1") for file in written)):
        assert PASSWORD not in text


def test_a_deep_source_keeps_its_depth_in_the_archive(tmp_path: Path) -> None:
    graph = "nullsrc=size=32x16:rate=100,format=gray12le,geq=lum='mod(N*7+X,4096)',realtime"
    run = start(
        tmp_path,
        *("--camera", "video", "--video.source", f"lavfi:{graph}"),
        *("--frames", "100", "--archive", "originals", "--json"),
    )
    out, err = run.communicate(timeout=LIMIT_S)
    report = json.loads(out)
    assert (run.returncode, report["problems"]) == (0, []), err
    archive: Any = zarr.open_group(Path(report["archive"]) / "frames.zarr", mode="r")
    frames = archive["frames"][:]
    assert frames.dtype == np.uint16
    assert set(np.diff(frames[:, 0, 0].astype(int)) % 4096) == {7}
    np.testing.assert_array_equal(stream_of(tmp_path, report), frames >> 4)


@pytest.mark.parametrize(
    "source",
    [f"rtsp://{LOGIN}@camera/live", f"http://camera/video?user=grower&pwd={PASSWORD}"],
)
def test_a_password_on_the_command_line_is_refused_and_not_repeated(
    source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--camera", "video", "--video.source", source]) == 2
    told = capsys.readouterr()
    assert "RHEED_VIDEO__URL" in told.err
    assert PASSWORD not in told.out + told.err


def test_the_settings_are_shown_without_the_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RHEED_VIDEO__URL", f"rtsp://{LOGIN}@camera/live")
    assert main(["config"]) == 0
    told = capsys.readouterr()
    assert "video.url" in told.out
    assert PASSWORD not in told.out + told.err


@pytest.mark.parametrize("server", [MjpegServer, RtspServer])
def test_what_a_camera_says_of_itself_and_of_its_end_has_no_password(
    server: type[MjpegServer] | type[RtspServer],
) -> None:
    with server(login=LOGIN) as camera, taking(url=with_login(camera.url)) as taken:
        taken.wait_for_frames(3)
        camera.stop()
        fault = taken.wait_for_fault()
        told = [repr(taken.camera.info), str(fault), repr(fault), repr(vars(taken.camera))]
        assert f"127.0.0.1:{camera.port}" in str(fault)
        assert not [text for text in told if PASSWORD in text]


@pytest.mark.parametrize("server", [MjpegServer, RtspServer])
def test_a_wrong_password_is_refused_and_not_repeated(server: type[MjpegServer] | type[RtspServer]) -> None:
    with (
        server(login="grower:another") as camera,
        pytest.raises(CameraError, match="401") as refused,
        taking(url=with_login(camera.url)),
    ):
        pass
    assert PASSWORD not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_settings_do_not_show_a_password_where_they_are_wrong() -> None:
    for wrong in (
        {"source": f"rtsp://{LOGIN}@camera/live"},
        {"url": f"gopher://{LOGIN}@camera/live"},
        {"url": f"rtsp://{LOGIN}@camera/live", "size": "large"},
        {"url": f"rtsp://{LOGIN}@camera/live", "source": "screen"},
        {"options": {"headers": f"Authorization: {PASSWORD}"}},
    ):
        with pytest.raises(ValueError, match="VideoSettings") as refused:
            VideoSettings.model_validate(wrong)
        assert PASSWORD not in str(refused.value) + repr(refused.value)
    assert PASSWORD not in repr(VideoSettings.model_validate({"url": f"rtsp://{LOGIN}@camera/live"}))
