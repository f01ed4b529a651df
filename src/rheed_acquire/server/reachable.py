"""Under which URLs clients reach a server, by what it listens on."""

from __future__ import annotations

import socket

from rheed_acquire.system.listening import is_unspecified, url_of

_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Reserved for documentation (RFC 5737, RFC 3849): in no network."""


def client_urls(host: str, port: int, *, has_tls: bool) -> list[str]:
    """List the base URLs that clients can use, the one that most of them should use first.

    Where the server listens on all interfaces those are the machine's name and its addresses towards others;
    the name comes first with TLS, since certificates are for names.
    """
    scheme = "https" if has_tls else "http"
    if not is_unspecified(host):
        return [url_of(host, port, scheme)]
    families = (socket.AF_INET, socket.AF_INET6) if ":" in host else (socket.AF_INET,)
    addresses = [address for family in families if (address := _outward_address(family)) is not None]
    name = socket.getfqdn()
    hosts = [name, *addresses] if has_tls or not addresses else [*addresses, name]
    return [url_of(each, port, scheme) for each in dict.fromkeys(hosts)]


def _outward_address(family: socket.AddressFamily) -> str | None:
    """Tell which address this machine has towards others; nothing is sent to find out."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_ELSEWHERE[family], 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None
