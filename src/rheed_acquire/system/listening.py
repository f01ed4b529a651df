"""Listening on a port: the socket, and why it cannot be had."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress

from rheed_acquire.errors import RheedAcquireError
from rheed_acquire.system.addresses import is_unspecified

_LAST_PORT = 65_535


def listen(host: str, port: int, flags: str = "--") -> socket.socket:
    """Bind and listen.

    Parameters
    ----------
    host
        Name or address of an interface of this machine.
    port
        0 takes any that is free.
    flags
        What the flags that choose them begin with, for the messages: ``--`` for ``--host`` and ``--port``.

    Raises
    ------
    RheedAcquireError
        The port is in use or not allowed, or the host is not this machine.
    """
    if not 0 <= port <= _LAST_PORT:
        raise RheedAcquireError(
            f"port {port} does not exist: choose one from 0 (any free) to {_LAST_PORT} with {flags}port"
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            if os.name == "posix":
                # On Windows the same option would let two servers share a port.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6 and is_unspecified(host):
                with suppress(OSError):  # both families where the system can, whatever its default
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(address)
            listener.listen(128)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise _why_not(host, port, flags, error) from error
    return listener


class CannotListenError(RheedAcquireError):
    """A server cannot listen where it should; ``cause`` says why without what the user can do."""

    def __init__(self, cause: str, advice: str) -> None:
        super().__init__(f"{cause}{advice}")
        self.cause = cause


def _why_not(host: str, port: int, flags: str, error: OSError) -> CannotListenError:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return CannotListenError(
            f"the server cannot listen on '{host}', which is no address of this machine",
            f": choose another with {flags}host",
        )
    if error.errno == errno.EADDRINUSE:
        return CannotListenError(
            f"port {port} on {host} is in use by another program",
            f": choose another with {flags}port, or 0 for any that is free",
        )
    if isinstance(error, PermissionError):
        return CannotListenError(
            f"port {port} on {host} is not allowed to this user", f": choose one above 1023 with {flags}port"
        )
    return CannotListenError(
        f"the server cannot listen on {host} port {port}: {error}",
        f"; choose others with {flags}host and {flags}port",
    )
