"""Under which names the view may be reached, and which of them keep other machines out."""

from __future__ import annotations

import ipaddress
import socket

_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Reserved for documentation (RFC 5737, RFC 3849): in no network."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    if host.lower().rstrip(".") == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def allowed_hosts(host: str) -> frozenset[str]:
    """Names, in lower case, that a request may give in its ``Host`` besides the addresses that fit.

    A name that an attacker's DNS resolves to this machine (DNS rebinding) is not among them.
    """
    names = {"localhost"}
    if not is_loopback(host):
        own = socket.gethostname().lower()
        names |= {own, own.partition(".")[0], f"{own.partition('.')[0]}.local"}
        if _address(host) is None:
            names.add(host.lower())
    return frozenset(names)


def may_be_called(host: str, listening_on: str) -> bool:
    """Whether ``host``, as a request spells it without the port, is this server when it listens there.

    Addresses cannot be rebound, so any loopback one fits on loopback and any address elsewhere.
    """
    address = _address(host)
    if address is not None:
        return address.is_loopback or not is_loopback(listening_on)
    return host.lower().rstrip(".") in allowed_hosts(listening_on)


def is_unspecified(host: str) -> bool:
    """Whether this stands for all interfaces of the machine."""
    address = _address(host)
    return host == "" or (address is not None and address.is_unspecified)


def url_of(host: str, port: int, secret: str, name: str = "token") -> str:
    """Write the address for a browser; for a server on all interfaces, the one that others reach it by.

    Parameters
    ----------
    secret
        What lets the browser in, and ``name`` what it is called in the query.
    """
    if is_unspecified(host):
        host = outward_address() or socket.gethostname()
    return f"{base_url(host, port)}/?{name}={secret}"


def base_url(host: str, port: int, scheme: str = "http") -> str:
    """Write a base URL; the host is a name or an address."""
    return f"{scheme}://{netloc_of(host, port)}"


def loopback_url(host: str, port: int) -> str:
    """Write the base URL by which this machine reaches a server that listens on ``host``."""
    if not is_unspecified(host):
        return base_url(host, port)
    return base_url("::1" if ":" in host else "127.0.0.1", port)


def netloc_of(host: str, port: int) -> str:
    """Write host and port as a URL does."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def outward_address(family: socket.AddressFamily = socket.AF_INET) -> str | None:
    """Tell which address this machine has towards others, if any; nothing is sent to find out."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_ELSEWHERE[family], 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return None
