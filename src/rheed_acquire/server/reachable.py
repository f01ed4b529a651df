"""Under which URLs clients reach a server, by what it listens on."""

from __future__ import annotations

import socket

from rheed_acquire.system.addresses import base_url, is_unspecified, outward_address


def client_urls(host: str, port: int, *, has_tls: bool) -> list[str]:
    """List the base URLs that clients can use, the one that most of them should use first.

    Where the server listens on all interfaces those are the machine's name and its addresses towards others;
    the name comes first with TLS, since certificates are for names.
    """
    scheme = "https" if has_tls else "http"
    if not is_unspecified(host):
        return [base_url(host, port, scheme)]
    families = (socket.AF_INET, socket.AF_INET6) if ":" in host else (socket.AF_INET,)
    addresses = [address for family in families if (address := outward_address(family)) is not None]
    name = socket.getfqdn()
    hosts = [name, *addresses] if has_tls or not addresses else [*addresses, name]
    return [base_url(each, port, scheme) for each in dict.fromkeys(hosts)]
