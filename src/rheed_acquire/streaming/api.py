"""Atomscale's HTTP API, call by call: one method each, one attempt each (see the wire protocol)."""

from __future__ import annotations

import json as json_text
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import SecretStr

from rheed_acquire.errors import StreamerError
from rheed_acquire.recording.frame_times import FRAME_TIMES, encode_times
from rheed_acquire.recording.growth_notes import GROWTH
from rheed_acquire.recording.layout import shard_key
from rheed_acquire.streaming.confirmation import CHECKSUM_HEADER, doubt
from rheed_acquire.streaming.error_bodies import detail_of, is_json, reason_of
from rheed_acquire.streaming.http_session import REFUSAL_BYTES, Answer, HttpSession
from rheed_acquire.streaming.outgoing import OutgoingShard
from rheed_acquire.streaming.retry import is_transient, parse_retry_after
from rheed_acquire.streaming.server_answers import StreamEnd, UploadTarget
from rheed_acquire.streaming.server_urls import check_endpoint, place_of, secrets_of
from rheed_acquire.streaming.transport_errors import NoAnswerError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GONE = (404, 409, 410)
"""What a server answers for a stream that it does not know or has closed."""
LASTING = 3
"""Refusals of a key one after another after which it is the key that is to blame."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long calls may take, each as a whole: from the look-up of a name to the last byte of the answer.

    Attributes
    ----------
    connect_s
        To make a connection.
    call_s
        For an API call.
    put_s, put_slowest_bytes_per_s
        For an upload: ``put_s``, and what its size takes at that rate.
    """

    connect_s: float = 10.0
    call_s: float = 60.0
    put_s: float = 60.0
    put_slowest_bytes_per_s: float = 100_000.0


class ApiError(StreamerError):
    """A call failed.

    Attributes
    ----------
    status
        The HTTP status, or None where no answer came.
    transient
        Whether the same call may succeed later.
    unsent
        Whether it is certain that the server saw nothing of the call.
    retry_after_s
        How long the server asked to wait, or None.
    detail
        The decoded body's ``detail``, or None.
    gone
        Whether the server itself says that it does not know the stream or has closed it.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        *,
        transient: bool,
        unsent: bool = False,
        retry_after_s: float | None = None,
        detail: Any = None,
        gone: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.transient, self.unsent = status, transient, unsent
        self.retry_after_s, self.detail, self.gone = retry_after_s, detail, gone


def presign_query(chunk_idx: int) -> dict[str, str]:
    """The query of a presign request (wire protocol, "A chunk")."""
    return {
        "original_filename": shard_key(chunk_idx),
        "num_parts": "1",
        "staging_type": "stream",
    }


class AtomscaleApi:
    """Calls one server with one key. Each thread needs an instance of its own.

    Parameters
    ----------
    endpoint
        Base URL, such as ``https://api.atomscale.ai``.
    api_key
        Sent as ``X-API-KEY`` with every call but those to presigned URLs.
    timeouts
        Of the calls.
    bare_confirmations
        Whether an upload counts as confirmed by an answer that names nothing of what was received.

    Raises
    ------
    StreamerError
        The endpoint is not an http or https URL, or holds what should not be shown; or the key is none.
    """

    def __init__(
        self,
        endpoint: str,
        api_key: SecretStr,
        timeouts: Timeouts | None = None,
        *,
        bare_confirmations: bool = False,
    ) -> None:
        check_endpoint(endpoint)
        key = api_key.get_secret_value()
        if not key or not key.isascii() or not key.isprintable() or key != key.strip():
            raise StreamerError(
                "the API key is empty or holds characters that no key has (spaces, line ends, quotes of a "
                "word processor); check AS_API_KEY"
            )
        self.endpoint = endpoint.rstrip("/")
        self._api_key = api_key
        self._timeouts = timeouts or Timeouts()
        self._bare_confirmations = bare_confirmations
        self._http = HttpSession(self._timeouts.connect_s)
        self._keys_refused = 0
        self._takes_times = False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def list_samples(self) -> list[dict[str, Any]]:
        """Every physical sample: ``id`` and ``name``."""
        return self._entries(self._call("GET", "/physical_samples/"), "/physical_samples/")

    def create_sample(self, name: str) -> str:
        """Create a physical sample and return its id."""
        answer = self._call("POST", "/physical_samples/", json={"name": name})
        return self._text(answer, "/physical_samples/", "physical_sample_id", "id")

    def list_tags(self) -> list[dict[str, Any]]:
        """Every tag: ``id`` and ``name``."""
        return self._entries(self._call("GET", "/tags/"), "/tags/")

    def create_tag(self, name: str) -> str:
        """Create a tag and return its id."""
        return self._text(self._call("POST", "/tags/", json={"name": name}), "/tags/", "id")

    def create_stream(self, description: dict[str, Any]) -> str:
        """Create the stream and return its data_id."""
        path = "/rheed/stream/"
        answer = self._call("POST", path, json=description)
        if not isinstance(answer, str) or not answer:
            raise self._nonsense(path)
        return answer

    def link_sample(self, data_id: str, sample_id: str) -> None:
        """Say which sample the stream is of."""
        body = {"data_ids": [data_id], "physical_sample_id": sample_id}
        self._call("POST", "/data_entries/physical_sample", json=body)

    def track_sample(self, project_id: str, sample_id: str) -> None:
        """Make the sample the one that a project follows."""
        path = f"/projects/{quote(project_id, safe='')}/configuration/tracking_samples"
        self._call("POST", path, json={"physical_sample_id": sample_id, "set_active": True})

    def link_tags(self, data_id: str, tag_ids: list[str]) -> None:
        """Tag the stream."""
        self._call("POST", "/tags/data-items/", json={"data_ids": [data_id], "tag_ids": tag_ids})

    def presign(
        self,
        chunk_idx: int,
        body: dict[str, str],
        times_us: NDArray[np.int64] | None = None,
        growth: str | None = None,
    ) -> UploadTarget:
        """Ask where a chunk's shard can be put, once; a server that takes the frames' own times gets them.

        Parameters
        ----------
        times_us
            (N,) in microseconds since the chunk's start.
        growth
            How fast it grows, as `growth_notes` writes it, for a server that is known to take it.
        """
        if growth is not None:
            body = {**body, GROWTH: growth}
        path, query = "/data_entries/raw_data/staged/upload_urls/", presign_query(chunk_idx)
        times = None if times_us is None else encode_times(times_us)
        while True:
            bringing = times is not None and self._takes_times
            asked = {**body, FRAME_TIMES: times} if bringing else body
            answer = self._call("POST", path, params=query, json=asked, may_pass=True)
            if isinstance(answer, list) and answer:
                answer = answer[0]
            if times is None or bringing or not isinstance(answer, dict) or FRAME_TIMES not in answer:
                break
            self._takes_times = True  # only its answer says so: ask again
        url = self._text(answer, path, "url")
        return UploadTarget.of(url, answer)

    def put(self, target: UploadTarget, shard: OutgoingShard) -> None:
        """Send a shard to its presigned URL; returns once the server has confirmed it.

        Raises
        ------
        ApiError
            Always transient: a fresh URL may do better. Also where the answer does not show that the store
            has the shard (see `confirmation`).
        DamagedShardError
            The shard is not what was written; the server has not stored it.
        """
        place = place_of(target.url)
        # The signature covers an empty content type, and the key is none of that server's business.
        headers = {"content-type": ""}
        if target.takes_crc32c:
            headers[CHECKSUM_HEADER] = shard.crc32c_base64
        limits = self._timeouts
        try:
            answer = self._http.request(
                "PUT",
                target.url,
                within_s=limits.put_s + shard.size / limits.put_slowest_bytes_per_s,
                headers=headers,
                data=shard,
                at_most=REFUSAL_BYTES,
            )
        except NoAnswerError as error:
            raise ApiError(f"PUT to {place}: {error}", transient=True, unsent=error.unsent) from None
        if not answer.is_success:
            reason = _interceptor(answer, place) or reason_of(answer.body, *secrets_of(target.url))
            raise ApiError(
                f"PUT to {place}: HTTP {answer.status} {reason}".rstrip(),
                answer.status,
                transient=True,
                retry_after_s=parse_retry_after(answer.headers.get("Retry-After")),
            )
        why_not = doubt(
            answer,
            shard,
            crc32c_was_sent=target.takes_crc32c,
            bare_will_do=self._bare_confirmations,
        )
        if why_not is not None:
            raise ApiError(f"PUT to {place}: {why_not}", answer.status, transient=True)

    def end_stream(self, data_id: str, *, only_whole: bool = False) -> StreamEnd:
        """Tell the server that nothing more will come.

        Parameters
        ----------
        only_whole
            Whether it is to leave the stream open where chunks of it do not hold; for servers that look at
            them later.
        """
        path = f"/rheed/stream/{quote(data_id, safe='')}/end"
        params = {"unless": "refused"} if only_whole else None
        return StreamEnd.of(self._call("POST", path, params=params, may_pass=True))

    def _call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: dict[str, str] | None = None,
        may_pass: bool = False,
    ) -> Any:
        """Make one call; the decoded answer, None for an empty one.

        Where it ``may_pass``, and is made again, a refusal of the key is one only once it lasts.
        """
        try:
            answer = self._http.request(
                method,
                self.endpoint + path,
                within_s=self._timeouts.call_s,
                json=json,
                params=params,
                headers={"X-API-KEY": self._api_key.get_secret_value()},
            )
        except NoAnswerError as error:
            message = f"cannot reach {self.endpoint}: {error}"
            if not error.is_advice:
                message += "; check the network and the endpoint (--endpoint or AS_API_ENDPOINT)"
            raise ApiError(message, transient=True, unsent=error.unsent) from None
        if not answer.is_success:
            raise self._refusal(answer, f"{method} {path}", may_pass=may_pass)
        self._keys_refused = 0
        if not answer.body and not answer.is_called_html:
            return None
        try:
            return json_text.loads(answer.body)
        except (ValueError, RecursionError):
            raise self._nonsense(path, answer) from None

    def _refusal(self, answer: Answer, call: str, *, may_pass: bool) -> ApiError:
        """Make an error of an answer that is no success."""
        status = answer.status
        # A gateway may print the request that it could not handle, headers and all.
        reason = reason_of(answer.body, self._api_key.get_secret_value())
        interceptor = _interceptor(answer, self.endpoint)
        self._keys_refused = self._keys_refused + 1 if status in (401, 403) else 0
        if interceptor is not None:
            message = f"{interceptor}; or the server is not Atomscale's; check the endpoint"
        elif status in (401, 403) and (not may_pass or self._keys_refused >= LASTING):
            said = f" (it says: {reason})" if reason else ""
            message = (
                f"{self.endpoint} refuses the API key (HTTP {status}); "
                f"check AS_API_KEY, and that it belongs to this endpoint{said}"
            )
        elif 300 <= status < 400:
            message = (
                f"{self.endpoint} answers {call} with a redirect (HTTP {status}), as captive portals do, and "
                "servers that have moved; check the network and the endpoint"
            )
        else:
            message = f"{self.endpoint} answers {call} with HTTP {status}{f': {reason}' if reason else ''}"
        return ApiError(
            message,
            status,
            transient=is_transient(status, answer.body.decode("utf-8", "replace")) or interceptor is not None,
            # Who answers in the server's place has kept the call from it.
            unsent=interceptor is not None,
            retry_after_s=parse_retry_after(answer.headers.get("Retry-After")),
            detail=detail_of(answer.body),
            # Only a server says so in JSON; a gateway on the way may not have found the server.
            gone=status in GONE and is_json(answer.body),
        )

    def _nonsense(self, path: str, answer: Answer | None = None) -> ApiError:
        if answer is not None and answer.is_page:
            return self._refusal(answer, path, may_pass=True)
        return ApiError(
            f"{self.endpoint}{path} gave an answer that is not Atomscale's; check the endpoint",
            transient=True,
        )

    def _entries(self, answer: Any, path: str) -> list[dict[str, Any]]:
        if not isinstance(answer, list) or not all(
            isinstance(entry, dict) and "id" in entry and "name" in entry for entry in answer
        ):
            raise self._nonsense(path)
        return answer

    def _text(self, answer: Any, path: str, *keys: str) -> str:
        if isinstance(answer, dict):
            for key in keys:
                if isinstance(answer.get(key), str) and answer[key]:
                    return str(answer[key])
        raise self._nonsense(path)


def _interceptor(answer: Answer, server: str) -> str | None:
    """Name who has answered in the server's place; None where it may have been the server itself."""
    # A server's own gateway says by a page that the server is in trouble; all else speaks JSON or XML.
    is_gateway = answer.status >= 500 and answer.status != 511
    if is_gateway or not (answer.is_page or answer.status in (407, 511)):
        return None
    sent = "answered with a web page" if answer.is_page else "wants a login"
    who = f"something between this computer and {server}"
    return f"{who} {sent} (HTTP {answer.status}): a captive portal or proxy"
