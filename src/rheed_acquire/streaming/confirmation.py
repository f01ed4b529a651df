"""Whether the answer to an upload shows that the store has the shard, and all of it.

A 2xx by itself shows nothing: captive portals answer 200 to whatever passes by. What shows it is what only
one who has received the body can say: its crc32c, or its MD5 as the ETag.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rheed_acquire.streaming.http_session import Answer
    from rheed_acquire.streaming.outgoing import OutgoingShard

CHECKSUM_HEADER = "x-amz-checksum-crc32c"
"""Of a body, as S3 names it."""

_MD5 = re.compile(r"[0-9a-f]{32}")
_KEYED = ("x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-aws-kms-key-id")
"""S3 names objects that it encrypts with such keys by ETags that look like an MD5 and are none."""


def doubt(answer: Answer, shard: OutgoingShard, *, crc32c_was_sent: bool, bare_will_do: bool) -> str | None:
    """Say why a 2xx answer does not confirm a shard; None where it does.

    Parameters
    ----------
    answer
        To the PUT.
    crc32c_was_sent
        Whether the server offered to take the checksum, and so has to echo it.
    bare_will_do
        Whether the user has said that the store names nothing that it receives.
    """
    if answer.is_page:
        return f"a web page in place of a confirmation (HTTP {answer.status}): from a captive portal or proxy"
    echo = answer.headers.get(CHECKSUM_HEADER)
    if echo is not None and echo.strip() != shard.crc32c_base64:
        return "the server stored other bytes than were sent"
    if crc32c_was_sent:
        return None if echo is not None else f"HTTP {answer.status} without the checksum that was promised"
    etag = answer.headers.get("ETag", "").strip().removeprefix("W/").strip('"').lower()
    is_md5 = _MD5.fullmatch(etag) is not None and not any(name in answer.headers for name in _KEYED)
    if is_md5 and etag != shard.md5():
        return "the server stored other bytes than were sent"
    if etag or echo is not None or bare_will_do:
        return None
    return (
        f"HTTP {answer.status} without ETag or checksum, which may not be the store's; if this store gives "
        "none, set --rheed.bare-confirmations"
    )
