"""What a value of the run's settings must be: finite, a folder on a disk, a place, a base URL, a key.

Each is a type for pydantic, and a `ValueError` of it one sentence about the value.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from rheed_acquire.errors import SettingsError
from rheed_acquire.recording.bucket_path import BucketPath, is_bucket_url
from rheed_acquire.system.long_paths import with_room_below


def _refuse_bucket(folder: Path) -> Path:
    if folder.parts[:1] == ("s3:",):
        raise ValueError(
            "must be a folder on a disk; what lies in a bucket is read by show, report and replay"
        )
    return folder


def _named_place(value: Any) -> Any:
    """Take a text that begins as a bucket's URL for that, and for no path."""
    if not isinstance(value, str) or not is_bucket_url(value):
        return value
    try:
        return BucketPath(value)
    except SettingsError as error:
        raise ValueError(str(error)) from None


def _is_base_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # a port that is no number raises here
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ValueError("must be a base URL such as https://api.atomscale.ai")
    if parts.username is not None:
        raise ValueError("must not hold a user name or password")
    return value.rstrip("/")


def _fits_a_header(value: SecretStr | None) -> SecretStr | None:
    key = value.get_secret_value().strip() if value is not None else ""
    if any(not "!" <= character <= "~" for character in key):
        raise ValueError("must be printable ASCII without spaces; was it copied whole?")
    return SecretStr(key) if key else None


Finite = Annotated[float, Field(allow_inf_nan=False)]
Folder = Annotated[Path, AfterValidator(_refuse_bucket), AfterValidator(with_room_below)]
"""One that runs are kept below: on Windows in the form that allows for long names."""
Place = Annotated[Folder | BucketPath, BeforeValidator(_named_place)]
"""A folder, or a place in a bucket."""
BaseUrl = Annotated[str, AfterValidator(_is_base_url)]
"""Of a service, without a slash at its end."""
ServiceKey = Annotated[SecretStr | None, AfterValidator(_fits_a_header)]
"""One that can stand in a header of HTTP; None for a blank one."""
