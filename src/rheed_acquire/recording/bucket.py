"""A bucket of an S3-compatible object store, as obstore reaches it.

Credentials, region and endpoint come from where every S3 program looks for them: the variables ``AWS_...``,
and the files that ``aws configure`` writes. None of them is shown, pickled, or taken from a command line.
"""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheed_acquire.errors import SettingsError

if TYPE_CHECKING:
    from obstore.store import S3Store

INSTALL = 'pip install "rheed-acquire[site]"'
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_OF_FILES = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "region": "region",
    "endpoint_url": "endpoint",
}
_TRIES, _TRIED_FOR = 4, timedelta(seconds=30)
ANSWERS_WITHIN_S = 30
"""What the store is given for an answer, but for large objects."""
_CONNECTS_WITHIN = timedelta(seconds=5)
_SLOWEST_BYTES_PER_S = 100_000
"""An object that goes no faster than that has failed."""
_MESSAGE = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.:_\[\]-]+(/[A-Za-z0-9._~/-]*)?")
_STATUS = re.compile(r"status code: ([0-9]{3})\b")
_HTTP = re.compile(r"HTTP error: (.*)")
_CERTIFICATE = re.compile(r"InvalidCertificate\(\s*([A-Za-z]+)")
_OF_CERTIFICATES = {
    "Expired": "has expired, or this computer's clock is wrong",
    "NotValidForName": "is for another name than the endpoint's",
    "UnknownIssuer": "is not trusted: SSL_CERT_FILE names a file with that of a lab's own authority",
}


class NoBucketError(OSError):
    """The store knows no such bucket."""


class ChangedMeanwhileError(OSError):
    """An object is not as it was when it was read: somebody else has written it."""


def open_bucket(
    name: str, prefix: str = "", *, answers_within_s: int = ANSWERS_WITHIN_S, tries: int = _TRIES
) -> S3Store:
    """Reach a bucket, or the part of it whose keys begin with a prefix.

    It is the same object for as long as what is known of its store stays the same.

    Parameters
    ----------
    answers_within_s
        How long a request may take with its answer.
    tries
        How often a request is made again that got none, or one that says that the store is in trouble.

    Raises
    ------
    SettingsError
        obstore is not installed, or what the variables and files say cannot be understood.
    """
    # obstore takes most of them by itself, and only once.
    variables = tuple(sorted(one for one in os.environ.items() if one[0].startswith("AWS_")))
    known = tuple(sorted(_configuration().items()))
    return _opened(name, prefix, answers_within_s, tries, known, variables)


def time_for(nbytes: int) -> int:
    """Seconds that an object of so many bytes may take; one of few figures: each has a client of its own."""
    times = max(1, nbytes) / _SLOWEST_BYTES_PER_S / ANSWERS_WITHIN_S
    return ANSWERS_WITHIN_S << max(0, math.ceil(math.log2(times)))


@lru_cache(maxsize=64)
def _opened(
    name: str,
    prefix: str,
    answers_within_s: int,
    tries: int,
    configuration: tuple[tuple[str, str], ...],
    variables: tuple[tuple[str, str], ...],  # noqa: ARG001 - a part of what the store is remembered by
) -> S3Store:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ImportError:
        raise SettingsError(f"s3://{name} needs obstore: {INSTALL}") from None
    known: dict[str, Any] = dict(configuration)
    # Whoever gives an endpoint without TLS wants it so: stores of a lab's own network have none.
    is_plain = known.get("endpoint", "").startswith("http://")
    try:
        return S3Store(
            name,
            prefix=prefix or None,
            **known,
            client_options={
                "allow_http": is_plain,
                "connect_timeout": _CONNECTS_WITHIN,
                "timeout": timedelta(seconds=answers_within_s),
            },
            retry_config={"max_retries": tries, "retry_timeout": _TRIED_FOR},
        )
    except BaseError as error:
        raise SettingsError(
            f"what the variables AWS_... say of the store of s3://{name} cannot be used: {_told(error)}"
        ) from None


def _configuration() -> dict[str, str]:
    """What obstore does not find by itself, or finds by other names than the store's own tools."""
    known: dict[str, str] = {}
    if "AWS_ACCESS_KEY_ID" not in os.environ:
        known |= _of_profile()
    for key, names in (("endpoint", _ENDPOINTS), ("region", _REGIONS)):
        value = next((os.environ[name] for name in names if os.environ.get(name)), None)
        if value is not None:
            known[key] = value
    endpoint = known.get("endpoint")
    if endpoint is not None and not _ENDPOINT.fullmatch(endpoint):  # obstore panics at it
        raise SettingsError(
            "the endpoint of the object store (AWS_ENDPOINT_URL) must be a URL such as "
            "https://store.lab:8333, without user name and password; it is not shown, since it may hold some"
        )
    return known


def _of_profile() -> dict[str, str]:
    """What the files of ``aws configure`` say of the profile that is chosen."""
    import configparser  # the help comes by here, and needs none of it

    profile = os.environ.get("AWS_PROFILE", "default")
    found: dict[str, str] = {}
    for variable, name, section in (
        ("AWS_CONFIG_FILE", "config", profile if profile == "default" else f"profile {profile}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", profile),
    ):
        file = Path(os.path.expanduser(os.environ.get(variable) or f"~/.aws/{name}"))  # noqa: PTH111
        parsed = configparser.ConfigParser(interpolation=None)
        try:
            parsed.read_string(file.read_text("utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError, configparser.Error):
            # Nothing of what it says: a line that cannot be parsed may well be the secret.
            raise SettingsError(f"{file} cannot be read as a file of aws configure") from None
        values: Mapping[str, str] = parsed[section] if parsed.has_section(section) else {}
        found |= {ours: values[theirs] for theirs, ours in _OF_FILES.items() if values.get(theirs)}
    return found


@contextmanager
def told_as_os_errors() -> Iterator[None]:
    """Raise what a store answers as the error that a file system would raise.

    Raises
    ------
    FileNotFoundError, FileExistsError, PermissionError, ChangedMeanwhileError, NoBucketError, OSError
        With the store's own words as ``strerror``.
    """
    from obstore import exceptions

    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, _told(error)) from None
    except (exceptions.AlreadyExistsError, FileExistsError) as error:
        raise FileExistsError(errno.EEXIST, _told(error)) from None
    except exceptions.PreconditionError as error:
        raise ChangedMeanwhileError(errno.EBUSY, _told(error)) from None
    except exceptions.BaseError as error:
        raise _as_os_error(error) from None


def _as_os_error(error: Exception) -> OSError:
    from obstore import exceptions

    refusals = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
    status = _STATUS.search(str(error))  # of a listing it is only in the text
    if isinstance(error, refusals) or (status is not None and status[1] in ("401", "403")):
        return PermissionError(
            errno.EACCES,
            f"the store refuses: {_told(error)} (credentials are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "or a profile of aws configure)",
        )
    if status is not None and status[1] == "404":
        return NoBucketError(errno.ENOENT, _told(error))
    return OSError(errno.EIO, f"the store does not answer as it should: {_told(error)}")


def _told(error: Exception) -> str:
    """What an answer says, out of obstore's many lines."""
    text = str(error)
    said = _MESSAGE.search(text)
    if said is not None:
        return " ".join(said[1].split())
    refused = _CERTIFICATE.search(text)
    if refused is not None:
        why = next((why for name, why in _OF_CERTIFICATES.items() if refused[1].startswith(name)), None)
        return f"its certificate {why or f'is not valid ({refused[1]})'}"
    first = text.partition("\n")[0]
    failed = _HTTP.search(first)
    if failed is not None:
        causes = re.findall(r'message: "([^"]*)"', text)
        return f"{failed[1]}{': ' + causes[-1] if causes else ''}"
    return first.rpartition(" - ")[2] or first
