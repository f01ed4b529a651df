"""What callers get wrong is said before any server is asked: nothing listens where these streamers point."""

from __future__ import annotations

import logging
import math
import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from rheed_acquire.errors import SettingsError, StreamerError
from rheed_acquire.streaming import RHEEDStreamer
from rheed_acquire.streaming.arguments import default_stream_name, distinct, text_or_none
from rheed_acquire.streaming.limits import too_fast
from rheed_acquire.streaming.retry import Backoff
from rheed_acquire.text.names import clean_name

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def streamer() -> RHEEDStreamer:
    return RHEEDStreamer("a-key", NOWHERE, max_fps=None)


def initialize(streamer: RHEEDStreamer, **changes: Any) -> str:
    arguments: dict[str, Any] = {"fps": 120.0, "rotations_per_min": 0.0, "chunk_size": 240}
    return streamer.initialize(**arguments | changes)


not_positive = (
    st.floats(max_value=0) | st.sampled_from([math.nan, math.inf, -math.inf]) | st.integers(max_value=0)
)
no_number = st.sampled_from([True, False, None, "120", [120.0], 120j])


@given(fps=not_positive | no_number)
def test_a_frame_rate_that_is_no_positive_number_is_refused(streamer: RHEEDStreamer, fps: Any) -> None:
    with pytest.raises(ValueError, match="fps"):
        initialize(streamer, fps=fps)


@given(rotations=st.floats(max_value=-1e-300) | st.sampled_from([math.nan, math.inf, -math.inf]) | no_number)
def test_a_rotation_that_is_no_number_from_0_is_refused(streamer: RHEEDStreamer, rotations: Any) -> None:
    with pytest.raises(ValueError, match="rotations_per_min"):
        initialize(streamer, rotations_per_min=rotations)


@given(fps=st.floats(0.1, 1e5), share=st.floats(0, 0.999))
@example(fps=120.0, share=239 / 240)
@example(fps=119.5000001, share=239 / 240)
def test_a_chunk_of_less_than_two_seconds_is_refused_and_the_least_is_named(
    streamer: RHEEDStreamer, fps: float, share: float
) -> None:
    least = math.ceil(2 * fps)
    with pytest.raises(ValueError, match=rf"chunk_size is .* at least {least} frames"):
        initialize(streamer, fps=fps, chunk_size=min(int(share * least), least - 1))


@pytest.mark.parametrize("chunk_size", [240.0, "240", None, True, -240, 0])
def test_a_chunk_size_that_is_no_count_is_refused(streamer: RHEEDStreamer, chunk_size: Any) -> None:
    with pytest.raises(ValueError, match="chunk_size"):
        initialize(streamer, chunk_size=chunk_size)


def test_an_azimuth_is_for_a_stationary_stage(streamer: RHEEDStreamer) -> None:
    with pytest.raises(ValueError, match="azimuth"):
        initialize(streamer, rotations_per_min=15.0, azimuth="[110]")


def test_one_text_is_no_list_of_tags(streamer: RHEEDStreamer) -> None:
    with pytest.raises(ValueError, match="tags"):
        initialize(streamer, tags="GaN")


@pytest.mark.parametrize("argument", ["stream_name", "physical_sample", "project_id", "azimuth"])
def test_what_is_to_be_a_text_and_is_none_is_refused(streamer: RHEEDStreamer, argument: str) -> None:
    with pytest.raises(ValueError, match="must be a text, not 42"):
        initialize(streamer, **{argument: 42})


def test_a_tag_that_is_no_text_is_refused(streamer: RHEEDStreamer) -> None:
    with pytest.raises(ValueError, match="must be a text, not 42"):
        initialize(streamer, tags=["GaN", 42])


@given(st.text(alphabet=" \t\n\u00a0"))
def test_blank_texts_are_none(text: str) -> None:
    assert text_or_none(text) is None
    assert distinct([text, text]) == ()


@given(st.lists(st.text()))
def test_tags_are_trimmed_and_each_is_kept_once_whatever_its_case(tags: list[str]) -> None:
    kept = distinct([*tags, *(f" {tag} " for tag in tags)])
    assert all(tag and tag == tag.strip() for tag in kept)
    assert len({tag.casefold() for tag in kept}) == len(kept)
    assert {tag.casefold() for tag in kept} == {clean_name(tag).casefold() for tag in tags if clean_name(tag)}


@pytest.mark.parametrize(
    ("hour", "minute", "name"),
    [(0, 0, "12:00AM"), (1, 5, "1:05AM"), (11, 59, "11:59AM"), (12, 0, "12:00PM"), (13, 23, "1:23PM")],
)
def test_a_stream_without_a_name_is_called_by_the_time(hour: int, minute: int, name: str) -> None:
    assert default_stream_name(datetime(2026, 1, 2, hour, minute).astimezone()) == f"RHEED Stream @ {name}"


def test_a_streamer_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AS_API_KEY", "ATOMSCALE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="AS_API_KEY"):
        RHEEDStreamer(endpoint=NOWHERE)


@pytest.mark.parametrize("name", ["AS_API_KEY", "ATOMSCALE_API_KEY"])
def test_the_environments_key_and_endpoint_will_do(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv("AS_API_KEY", raising=False)
    monkeypatch.setenv(name, "a-key")
    monkeypatch.setenv("AS_API_ENDPOINT", NOWHERE)
    assert RHEEDStreamer().endpoint == NOWHERE


@pytest.mark.parametrize("spoilt", ["5ecret\n", " 5ecret", "\u201c5ecret\u201d", "5ec\r\nX-Evil: 1"])
def test_a_key_that_no_header_takes_is_refused_without_being_shown(spoilt: str) -> None:
    with pytest.raises(StreamerError, match="AS_API_KEY") as refused:
        RHEEDStreamer(spoilt, NOWHERE)
    assert "5ec" not in str(refused.value)


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:8000", "ftp://127.0.0.1", "https://", "api.atomscale.ai", "http://[::1"]
)
def test_an_endpoint_that_is_no_url_is_refused_and_an_example_given(endpoint: str) -> None:
    with pytest.raises(StreamerError, match=r"https://api\.atomscale\.ai"):
        RHEEDStreamer("a-key", endpoint)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("compression_level", -1), ("compression_level", 23), ("upload_workers", 0), ("ring_chunks", 1)],
)
def test_options_out_of_their_range_are_refused(argument: str, value: int) -> None:
    options: dict[str, Any] = {argument: value}
    with pytest.raises(ValueError, match=argument):
        RHEEDStreamer("a-key", NOWHERE, **options)


@pytest.mark.parametrize("verbosity", [-1, 5, True, 2.0, "3"])
def test_a_verbosity_that_is_none_is_refused(verbosity: Any) -> None:
    with pytest.raises(ValueError, match="verbosity"):
        RHEEDStreamer("a-key", NOWHERE, verbosity)


def test_a_verbosity_sets_the_level_of_this_packages_log_only(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("rheed_acquire")
    before, level_of_all = logger.level, logging.getLogger().level
    try:
        for verbosity, level in enumerate(
            [logging.CRITICAL + 1, logging.ERROR, logging.WARNING, logging.INFO]
        ):
            RHEEDStreamer("a-key", NOWHERE, verbosity)
            assert logger.level == level
        assert logging.getLogger().level == level_of_all
    finally:
        logger.setLevel(before)


def test_the_key_is_not_in_the_repr() -> None:
    for key in ("5ecret-key", SecretStr("5ecret-key")):
        assert "5ecret" not in repr(RHEEDStreamer(key, NOWHERE))


@pytest.mark.parametrize("method", ["push", "run", "status", "finalize"])
def test_an_unknown_data_id_is_refused_by_its_name(streamer: RHEEDStreamer, method: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {"push": (0, None), "run": ([],)}
    with pytest.raises(ValueError, match="'nobody' is not a data_id"):
        getattr(streamer, method)("nobody", *arguments.get(method, ()))


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://me:5ecret@127.0.0.1:9",
        "http://5ecret@127.0.0.1:9",
        "http://me:pass/5ecret@127.0.0.1:9",
        "me:5ecret@127.0.0.1:9",
        "htp://me:5ecret@127.0.0.1:9",
        "http://127.0.0.1:9/?token=5ecret",
        "http://127.0.0.1:9/#5ecret",
        "http://me:5ecret@[127.0.0.1",
    ],
)
def test_what_may_be_secret_in_an_endpoint_is_refused_unseen(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AS_API_ENDPOINT", endpoint)
    for argument in (endpoint, None):
        with pytest.raises(StreamerError) as failed:
            RHEEDStreamer("a-key", argument)
        assert "5ecret" not in str(failed.value)
        assert "AS_API_ENDPOINT" in str(failed.value)


def test_a_variable_that_names_no_certificates_is_said_before_the_first_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "nowhere.pem")
    with pytest.raises(SettingsError, match=r"SSL_CERT_FILE names nowhere.pem, which is not there"):
        RHEEDStreamer("a-key", "https://127.0.0.1:9")
    RHEEDStreamer("a-key", NOWHERE)  # which needs none


def test_a_rate_above_atomscales_is_refused_with_what_would_fit() -> None:
    with (
        RHEEDStreamer("a-key", NOWHERE) as streamer,
        pytest.raises(ValueError, match="are more than") as said,
    ):
        initialize(streamer, fps=500.0, chunk_size=1000)
    assert str(said.value) == (
        "500 frames/s are more than the 120 that Atomscale takes: --stream-average 5 (the mean of every 5) "
        "or --stream-every 5 (one of every 5) makes 100 of them; for a server without that limit set "
        "max_fps=None"
    )


@pytest.mark.parametrize(("fps", "max_fps"), [(120.0, 120.0), (500.0, None)])
def test_what_is_within_the_limit_goes_as_far_as_the_server(fps: float, max_fps: float | None) -> None:
    with (
        RHEEDStreamer("a-key", NOWHERE, max_fps=max_fps, backoff=Backoff(0.0, 0.0)) as streamer,
        pytest.raises(StreamerError),
    ):
        initialize(streamer, fps=fps, chunk_size=1000)


@pytest.mark.parametrize("max_fps", [0, -1, math.nan, "120"])
def test_a_limit_that_is_no_rate_is_refused(max_fps: Any) -> None:
    with pytest.raises(ValueError, match="max_fps"):
        RHEEDStreamer("a-key", NOWHERE, max_fps=max_fps)


@given(st.floats(0.01, 1e5), st.floats(1.0, 1000.0))
def test_the_n_that_is_named_is_the_smallest_that_fits(fps: float, limit: float) -> None:
    said = too_fast(fps, limit)
    if said is None:
        assert fps <= limit * (1 + 1e-9)
        return
    (every,) = map(int, re.findall(r"--stream-every (\d+)", said))
    assert too_fast(fps, limit, fps / every) is None
    assert too_fast(fps, limit, fps / (every - 1)) is not None
