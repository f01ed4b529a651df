"""Which certificates a server may show: the system's trust store, or what the user's variables name.

A lab's own authority is in the system's store where its administrators have put it there; certifi's list,
which requests takes by default, never has it.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from rheed_acquire.errors import SettingsError

INSTEAD = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""What these name is trusted in place of the system's store, as requests and curl have it."""
BESIDE = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""What these name is trusted as well as the system's store, as OpenSSL has it."""


def tls_context(environ: Mapping[str, str] | None = None) -> ssl.SSLContext:
    """Make what TLS connections are made with; for one thread, since it locks itself during a handshake.

    Raises
    ------
    SettingsError
        A variable names what cannot be used.
    """
    import truststore  # only who speaks TLS needs it: not a run with its own server

    named = os.environ if environ is None else environ
    for variable in INSTEAD:
        if named.get(variable):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            _load(context, variable, Path(named[variable]))
            return context
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for variable in BESIDE:
        if named.get(variable):
            _load(context, variable, Path(named[variable]))
    return context


def trusted_by(environ: Mapping[str, str] | None = None) -> str:
    """Say where the certificates come from that are trusted now."""
    named = os.environ if environ is None else environ
    for variable in INSTEAD:
        if named.get(variable):
            return f"{variable}, {named[variable]}"
    beside = [f"{variable}, {named[variable]}" for variable in BESIDE if named.get(variable)]
    return ", and ".join(["the system's trust store", *beside])


def _load(context: ssl.SSLContext, variable: str, place: Path) -> None:
    wanted = "a directory of certificates" if variable == "SSL_CERT_DIR" else "a file of certificates (PEM)"
    try:
        if place.is_dir():
            if not any(place.iterdir()):
                raise SettingsError(f"{variable} names {place}, which is an empty directory, not {wanted}")
            context.load_verify_locations(capath=place)
            return
        context.load_verify_locations(cafile=place)
    except FileNotFoundError:
        reason = "which is not there"
    except ssl.SSLError:
        reason = f"which is not {wanted}"
    except (OSError, ValueError) as error:
        reason = f"which cannot be read ({getattr(error, 'strerror', None) or error})"
    else:
        return
    raise SettingsError(f"{variable} names {place}, {reason}; correct the variable, or unset it")
