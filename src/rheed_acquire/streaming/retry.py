"""What is worth another try, and when.

Waiting times grow exponentially with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS
Architecture Blog, 2015), so that clients that failed together do not come back together.
"""

from __future__ import annotations

import email.utils
import math
import random
import time
from dataclasses import dataclass
from datetime import UTC


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before attempt number 1, 2, ... after a failed one.

    Attributes
    ----------
    base_s, cap_s
        The wait before attempt n is drawn evenly from 0 to ``min(cap_s, base_s * 2**n)`` seconds.
    """

    base_s: float = 0.5
    cap_s: float = 30.0

    def delay_s(self, attempt: int, retry_after_s: float | None = None) -> float:
        """Seconds to wait; never less than what the server asked for."""
        ceiling = min(self.cap_s, self.base_s * 2 ** min(attempt, 16))
        return max(random.uniform(0, ceiling), retry_after_s or 0.0)  # noqa: S311


def is_transient(status: int, body: str) -> bool:
    """Whether an HTTP answer that is no success may be followed by one."""
    # S3 answers 400 RequestTimeout where a request's body stalls on its way.
    return status >= 500 or status in (408, 429) or (status == 400 and "RequestTimeout" in body)


def parse_retry_after(value: str | None) -> float | None:
    """Read a ``Retry-After`` header (RFC 9110 section 10.2.3): seconds, or a date; None for anything else."""
    if not value:
        return None
    try:
        wait_s = float(value)
    except ValueError:
        try:
            when = email.utils.parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        # Without a zone it is UTC (RFC 5322 section 3.3), not this computer's local time.
        wait_s = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - time.time()
    return None if math.isnan(wait_s) else min(max(wait_s, 0.0), 3600.0)
