"""What of a stream's URL is a password: it is shown nowhere, also where it was not percent-encoded."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheed_acquire.cli import main
from rheed_acquire_video import VideoSettings
from rheed_acquire_video.settings import shown_url
from rheed_acquire_video.sources import named_source

PARTS = ("gro3w", "Er7x", "s3cr", "Tw0rd")
"""Of user and password, on either side of what stands within them: in no message by chance."""
ANY = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8) | st.text(
    "/?#[]@:%&=.0123456789", max_size=8
)
BEHIND = st.sampled_from(["192.168.1.20/stream1", "cam:8554/live?channel=1", "[fe80::1]/live", "camera"])
SCHEMES = st.sampled_from(["rtsp", "RTSP", "http"])


def shows_nothing(*told: str) -> bool:
    return not [text for text in told for part in PARTS if part in text]


def taken(**given_settings: str) -> tuple[VideoSettings | None, str]:
    try:
        return VideoSettings.model_validate(given_settings), ""
    except ValueError as error:
        return None, f"{error} {error!r}"


def named(settings: VideoSettings | None) -> tuple[str, ...]:
    source = None if settings is None else named_source(settings)
    return () if source is None else (repr(source), str(source.device))


@given(SCHEMES, ANY, st.sampled_from([PARTS[2], "80", ""]), ANY, BEHIND)
def test_whatever_user_and_password_are_nothing_of_them_is_shown(
    scheme: str, of_user: str, first: str, of_password: str, behind: str
) -> None:
    login = f"{PARTS[0]}{of_user}{PARTS[1]}:{first}{of_password}{PARTS[3]}"
    url = f"{scheme}://{login}@{behind}"
    settings, refusal = taken(url=url)
    assert settings is not None or "percent-encoded" in refusal
    assert shows_nothing(refusal, repr(settings), str(settings), *named(settings))
    # One that is taken has a port, and a path with an @, as far as anybody can tell.
    settings, refusal = taken(source=url)
    assert settings is not None or "password" in refusal
    assert shows_nothing(refusal, *named(settings))


@given(ANY, ANY, st.sampled_from(["192.168.1.20/stream1", "cam:8554/live?channel=1", "[fe80::1]/live"]))
def test_a_url_that_was_percent_encoded_is_taken_as_it_is(
    of_user: str, of_password: str, behind: str
) -> None:
    url = f"rtsp://{quote(f'g{of_user}', safe='')}:{quote(of_password, safe='')}@{behind}"
    source = named_source(VideoSettings.model_validate({"url": url}))
    assert source is not None
    assert source.target == url
    assert source.device.address == f"rtsp://{behind.partition('/')[0]}/…"


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://cam/stream?user=a@b",
        "http://cam:8080/mjpeg@1",
        "http://[fe80::1%25eth0]:8080/mjpeg@1",
        "rtsp://192.168.1.20/stream1",
        "rtsp://cam/live?time=10:30",
        "udp://@239.0.0.1:1234",
        "udp://:1234",
        "rtsp://cam#1",
    ],
)
def test_an_at_sign_that_ends_no_password_is_taken(url: str) -> None:
    for given_as in ("url", "source"):
        if given_as == "source" and url.startswith("udp://@"):
            continue
        source = named_source(VideoSettings.model_validate({given_as: url}))
        assert source is not None
        assert source.target == url
        address = source.device.address
        assert given_as == "url" or address == url or address.endswith(url.rpartition("@")[2])


def test_what_can_be_read_as_path_and_as_password_is_taken_and_not_shown() -> None:
    assert shown_url("http://cam:8080/mjpeg@1", is_secret=False) == "http://…@1"
    assert shown_url("http://cam:8080/mjpeg@1", is_secret=True) == "http://…"
    assert shown_url("rtsp://grower:se@cr/et@camera", is_secret=True) == "rtsp://…"


@pytest.mark.parametrize("password", ["sec/ret", "sec#ret", "sec?ret", "p[x", "p]x", "a/b:c", "\u2100x"])
def test_a_password_that_was_not_percent_encoded_is_told_in_one_sentence(
    password: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--camera", "video", "--video.source", f"rtsp://admin:{password}@host"]) == 2
    monkeypatch.setenv("RHEED_VIDEO__URL", f"rtsp://admin:{password}@host/x")
    for arguments in (["config"], ["config", "--json"], ["--camera", "video"], ["cameras"]):
        main(arguments)
    told = capsys.readouterr()
    assert told.err.count("/ as %2F") >= 1
    for secret in ("admin", password):
        assert secret not in told.out + told.err
