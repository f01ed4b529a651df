"""A run in a bucket is read as one in a folder."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import dask
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.recording.conftest import add_chunk, begin_run, record

from rheed_acquire import BucketPath, RecordedRun, RheedAcquireError, SettingsError, open_run
from rheed_acquire.recording.marks import Mark, append_mark
from rheed_acquire.recording.run_path import run_path

SIZE = 8
FRAMES = np.random.default_rng(5).integers(1, 256, (3 * SIZE, 5, 7), np.uint8)


@pytest.fixture(autouse=True)
def one_thread() -> object:
    with dask.config.set(scheduler="synchronous"):
        yield


def copy(folder: Path, target: BucketPath) -> BucketPath:
    """Put a run's folder into a bucket, file by file."""
    for file in folder.rglob("*"):
        if file.is_file():
            (target / file.relative_to(folder).as_posix()).write_bytes(file.read_bytes())
    return target


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("missing", ["drop", "keep"])
def test_what_open_run_gives_is_the_same(
    tmp_path: Path, bucket: BucketPath, closed: bool, missing: str
) -> None:
    folder = tmp_path / "run"
    run = begin_run(folder)
    for index, frames in ((0, FRAMES[:SIZE]), (1, FRAMES[SIZE : SIZE + 3]), (3, FRAMES[2 * SIZE :])):
        add_chunk(run, index, frames, SIZE)
    append_mark(folder, Mark(1.7e12, "shutter open"))
    if closed:
        run.close("test")
    there = copy(folder, bucket / "2026-11-29-120000-growth-00000001")
    how = {"missing": missing}
    ours, theirs = open_run(folder, **how), open_run(str(there), **how)  # type: ignore[arg-type]
    assert ours.identical(theirs)
    assert ours.frames.data.chunks == theirs.frames.data.chunks
    assert open_run(str(there / "frames.zarr"), **how).identical(ours)  # type: ignore[arg-type]
    assert RecordedRun(there).marks() == RecordedRun(folder).marks()


def test_a_run_is_pickled_without_credentials_and_read_with_those_of_whoever_unpickles_it(
    tmp_path: Path, bucket: BucketPath
) -> None:
    there = copy(record(tmp_path / "run", [(0, FRAMES[:SIZE])], SIZE), bucket / "run")
    pickled = pickle.dumps(RecordedRun(there))
    secrets = [os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    assert not any(secret.encode() in pickled for secret in secrets)
    (tmp_path / "pickled").write_bytes(pickled)
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).read(2, 4).tobytes().hex())"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "pickled")], capture_output=True, text=True, check=True
    )
    assert bytes.fromhex(done.stdout) == FRAMES[2:4].tobytes()


def test_a_shard_that_got_lost_is_not_taken_for_black_frames(tmp_path: Path, bucket: BucketPath) -> None:
    import obstore

    there = copy(record(tmp_path / "run", [(0, FRAMES[:SIZE]), (1, FRAMES[SIZE:16])], SIZE), bucket / "run")
    run = RecordedRun(there)
    obstore.delete(there.store, (there / "frames.zarr/frames/c/1/0/0").key)
    with pytest.raises(RheedAcquireError, match=r"there is no file frames\.zarr/frames/c/1/0/0"):
        run.read(SIZE, SIZE + 1)


def test_where_there_is_no_run_it_is_said_in_one_sentence(bucket: BucketPath) -> None:
    with pytest.raises(RheedAcquireError, match=f"there is no folder {re.escape(str(bucket))}"):
        open_run(str(bucket))
    (bucket / "notes.txt").write_bytes(b"none")
    with pytest.raises(RheedAcquireError, match="holds no recording"):
        open_run(str(bucket))


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("AWS_SECRET_ACCESS_KEY", "not-the-secret", "the store refuses: .*AWS_SECRET_ACCESS_KEY"),
        ("AWS_ACCESS_KEY_ID", "nobody", "the store refuses: .*AWS_ACCESS_KEY_ID"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "does not answer as it should"),
        ("AWS_ENDPOINT_URL", "no endpoint", "AWS_ENDPOINT_URL. must be a URL"),
        ("AWS_ENDPOINT_URL", "https://me:5ecret@store.lab:9000", "AWS_ENDPOINT_URL. must be a URL"),
    ],
)
def test_a_store_that_cannot_be_reached_is_told_in_one_line_without_a_secret(
    bucket: BucketPath, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises((RheedAcquireError, SettingsError), match=told) as raised:
        open_run(str(bucket / "run"))
    text = str(raised.value)
    assert "\n" not in text
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in text
    assert "5ecret" not in text


def test_credentials_come_from_the_files_of_aws_configure_too(
    tmp_path: Path, bucket: BucketPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bucket / "x").write_bytes(b"there")
    known = {
        name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")
    }
    for name in known:
        monkeypatch.delenv(name)
    credentials, config = tmp_path / "credentials", tmp_path / "config"
    credentials.write_text(
        f"[lab]\naws_access_key_id = {known['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {known['AWS_SECRET_ACCESS_KEY']}\n"
    )
    config.write_text(f"[profile lab]\nregion = us-east-1\nendpoint_url = {known['AWS_ENDPOINT_URL']}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert (bucket / "x").read_bytes() == b"there"
    credentials.write_text("[lab\naws_secret_access_key = hidden")
    with pytest.raises(SettingsError, match="cannot be read as a file of aws configure") as raised:
        (bucket / "x").read_bytes()
    assert "hidden" not in str(raised.value)


def test_without_obstore_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(SettingsError, match=r"rheed-acquire\[site\]"):
        BucketPath("s3://not-seen-before/x").read_bytes()


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://Up/x", "s3://a b/x", "s3://runs/../x", "s3://x/y"])
def test_what_is_no_place_in_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        run_path(url)


@given(above=st.text(), below=st.text())
def test_no_name_leads_out_of_the_folder_it_is_looked_for_in(above: str, below: str) -> None:
    folder = BucketPath("s3://runs/here")
    try:
        place = folder / above / below
    except SettingsError:
        return
    assert place.parts[:1] == folder.parts
    assert BucketPath(str(place)) == place
    assert pickle.loads(pickle.dumps(place)) == place
