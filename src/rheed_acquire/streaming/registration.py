"""Creates a stream on the server and links it, so that a failure leaves no stream behind that nobody ends."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rheed_acquire.errors import StreamerError
from rheed_acquire.streaming.api import ApiError, AtomscaleApi
from rheed_acquire.streaming.retry import Backoff
from rheed_acquire.streaming.server_answers import StreamEnd

logger = logging.getLogger(__name__)

T = TypeVar("T")

CALL_ATTEMPTS = 4
RETRY_AFTER_CAP_S = 60.0


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """What `RHEEDStreamer.initialize` was given, checked and with its defaults filled in."""

    name: str
    fps: float
    rotations_per_min: float
    physical_sample: str | None
    project_id: str | None
    tags: tuple[str, ...]
    azimuth: str | None


def register_stream(api: AtomscaleApi, description: StreamDescription, backoff: Backoff) -> str:
    """Create a stream and its links and return its data_id.

    Raises
    ------
    StreamerError
        Nothing was created; or a link failed, and then the stream was ended and the error names its data_id.
    """
    sample_id = None
    if description.physical_sample is not None:
        sample_id = resolve_sample(api, description.physical_sample, backoff)
    tag_ids = resolve_tags(api, description.tags, backoff) if description.tags else []
    rotations = description.rotations_per_min
    body = {
        "data_item_name": description.name,
        "rotational_period": description.fps * 60.0 / rotations if rotations > 0 else None,
        "rotations_per_min": rotations,
        "fps_capture_rate": description.fps,
    }
    if description.project_id is not None:
        body["project_id"] = description.project_id
    if description.azimuth is not None:
        body["azimuth_label"] = description.azimuth
    data_id = _persist(lambda: api.create_stream(body), backoff, repeatable=False)
    try:
        if sample_id is not None:
            linked = sample_id
            _persist(lambda: api.link_sample(data_id, linked), backoff)
            if description.project_id is not None:
                project = description.project_id
                _persist(lambda: api.track_sample(project, linked), backoff)
        if tag_ids:
            _persist(lambda: api.link_tags(data_id, tag_ids), backoff)
    except BaseException as error:
        end_abandoned(api, data_id, backoff)
        if isinstance(error, ApiError):
            raise StreamerError(
                f"stream {data_id} was created but could not be linked, and was ended: {error}"
            ) from None
        raise
    return data_id


def resolve_sample(api: AtomscaleApi, wanted: str, backoff: Backoff) -> str:
    """Find a physical sample by id or name, or create one of that name.

    Raises
    ------
    StreamerError
        ``wanted`` is a UUID that no sample has, or the sample can be neither found nor created.
    """
    samples = _persist(api.list_samples, backoff)
    if _is_uuid(wanted):
        for sample in samples:
            if str(sample["id"]).lower() == wanted.lower():
                return str(sample["id"])
        raise StreamerError(
            f"no physical sample has the id {wanted} on {api.endpoint}; give its name, or the id of another"
        )
    found = _named(samples, wanted)
    if found is not None:
        return found
    try:
        return api.create_sample(wanted)
    except ApiError as error:
        if error.status == 409 and isinstance(error.detail, dict) and error.detail.get("physical_sample_id"):
            return str(error.detail["physical_sample_id"])
        # Whatever went wrong, the sample may exist now: made by somebody else, or by this very call.
        found = _named(_persist(api.list_samples, backoff), wanted)
        if found is None:
            raise
        return found


def resolve_tags(api: AtomscaleApi, wanted: Sequence[str], backoff: Backoff) -> list[str]:
    """Find tags by name, ignoring case, and create those that do not exist.

    Raises
    ------
    StreamerError
        A tag can be neither found nor created.
    """
    tags = _persist(api.list_tags, backoff)
    ids: list[str] = []
    for name in wanted:
        tag_id = _named(tags, name)
        if tag_id is None:
            try:
                tag_id = api.create_tag(name)
            except ApiError:
                tags = _persist(api.list_tags, backoff)
                tag_id = _named(tags, name)
                if tag_id is None:
                    raise
        ids.append(tag_id)
    return ids


def end_stream(
    api: AtomscaleApi, data_id: str, backoff: Backoff, patience_s: float, *, only_whole: bool = False
) -> StreamEnd:
    """Tell the server that the stream is complete, as long as it may take; what it answers.

    ``only_whole`` is as in `AtomscaleApi.end_stream`.

    Raises
    ------
    ApiError
        It still refuses after ``patience_s`` seconds, or says that there is no such stream any more.
    """
    deadline = time.monotonic() + patience_s
    attempt = 0
    while True:
        try:
            return api.end_stream(data_id, only_whole=only_whole)
        except ApiError as error:
            delay_s = backoff.delay_s(attempt, error.retry_after_s)
            if error.gone or time.monotonic() + delay_s > deadline:
                raise
            logger.info("stream %s cannot be ended yet, next try in %.1f s: %s", data_id, delay_s, error)
        attempt += 1
        time.sleep(delay_s)


def _persist(call: Callable[[], T], backoff: Backoff, *, repeatable: bool = True) -> T:
    """Make a call up to `CALL_ATTEMPTS` times.

    One that must not happen twice is repeated only where the server certainly did not act on it.
    """
    for attempt in range(CALL_ATTEMPTS - 1):
        try:
            return call()
        except ApiError as error:
            certain = error.unsent or error.status in (429, 503)
            if not error.transient or not (repeatable or certain):
                raise
            # A server may ask for an hour; whoever wants to begin a stream has no hour.
            delay_s = backoff.delay_s(attempt, min(error.retry_after_s or 0.0, RETRY_AFTER_CAP_S))
            logger.info("%s; next try in %.1f s", error, delay_s)
        time.sleep(delay_s)
    return call()


def end_abandoned(api: AtomscaleApi, data_id: str, backoff: Backoff) -> None:
    """Tell the server that a stream that could not be begun is over, if it will listen."""
    try:
        end_stream(api, data_id, backoff, patience_s=10.0)
    except ApiError as error:
        logger.warning("stream %s could not be ended: %s", data_id, error)


def _named(entries: Sequence[dict[str, object]], name: str) -> str | None:
    key = name.strip().casefold()
    for entry in entries:
        if str(entry["name"]).strip().casefold() == key:
            return str(entry["id"])
    return None


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
