"""libaravis and the GLib that it stands on, found and loaded at run time."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from rheed_acquire import CameraError
from rheed_acquire_aravis.functions import ARAVIS, GLIB, Signature

_NAMES = {
    "win32": ("libaravis-0.8-0.dll",),
    "darwin": ("libaravis-0.8.0.dylib", "libaravis-0.8.dylib"),
}
_LINUX_NAMES = ("libaravis-0.8.so.0",)
# Symbols of a library's own libraries are found through it, but on Windows.
_WINDOWS_GLIB = ("libgobject-2.0-0.dll", "libglib-2.0-0.dll")
_FOLDERS = {
    "win32": ("C:/msys64/ucrt64/bin", "C:/msys64/clang64/bin", "C:/msys64/mingw64/bin"),
    "darwin": ("/opt/homebrew/lib", "/usr/local/lib", "/opt/local/lib"),
}
_INSTALL = {
    "win32": "install MSYS2 (msys2.org), and in its UCRT64 shell: pacman -S mingw-w64-ucrt-x86_64-aravis",
    "darwin": "brew install aravis",
}
_INSTALL_LINUX = "sudo apt install libaravis-0.8-0 (Debian, Ubuntu) or sudo dnf install aravis (Fedora)"


class AravisError(Exception):
    """A call of the library failed; the message is the library's.

    Attributes
    ----------
    domain, code
        As GLib has them: the kind of error ("arv-device-error-quark") and its number in that kind.
    """

    def __init__(self, message: str, domain: str, code: int) -> None:
        super().__init__(message)
        self.domain, self.code = domain, code


class _GError(ctypes.Structure):
    _fields_ = (("domain", ctypes.c_uint32), ("code", ctypes.c_int), ("message", ctypes.c_char_p))


class Library:
    """The functions of libaravis and GLib, by their own names.

    One whose last parameter is a ``GError **`` is called without it and raises `AravisError`. Objects are
    addresses, text is bytes.

    Parameters
    ----------
    aravis
        The loaded library.
    others
        Where GLib's functions are, unless ``aravis`` leads to them.

    Raises
    ------
    AttributeError
        A function that every 0.8 has is missing.
    """

    def __init__(self, aravis: ctypes.CDLL, others: tuple[ctypes.CDLL, ...] = ()) -> None:
        self._functions: dict[str, Callable[..., Any]] = {}
        for name, signature in (*ARAVIS.items(), *GLIB.items()):
            holder = next((held for held in (aravis, *others) if hasattr(held, name)), None)
            if holder is not None:
                self._functions[name] = self._bind(getattr(holder, name), signature)
            elif not signature.may_be_missing:
                raise AttributeError(name)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        try:
            return self._functions[name]
        except KeyError:
            raise AttributeError(f"libaravis {self.version} has no {name}") from None

    def has(self, name: str) -> bool:
        """Say whether this version of the library has a function."""
        return name in self._functions

    @property
    def version(self) -> str:
        """Such as ``0.8.26``."""
        parts = ("arv_get_major_version", "arv_get_minor_version", "arv_get_micro_version")
        return ".".join(str(self._functions[part]()) for part in parts)

    def texts(self, array: int | None, count: int) -> tuple[str, ...]:
        """Read an array of texts that the caller owns, and free it."""
        if not array:
            return ()
        held = (ctypes.c_char_p * count).from_address(array)
        texts = tuple((text or b"").decode(errors="replace") for text in held)
        self.g_free(array)
        return texts

    def _bind(self, function: Any, signature: Signature) -> Callable[..., Any]:
        function.restype = signature.returns
        if not signature.fails:
            function.argtypes = signature.takes
            return function  # type: ignore[no-any-return]
        function.argtypes = (*signature.takes, ctypes.POINTER(ctypes.POINTER(_GError)))

        def call(*arguments: object) -> Any:
            error = ctypes.POINTER(_GError)()
            result = function(*arguments, ctypes.byref(error))
            if error:
                raise self._taken(error)
            return result

        return call

    def _taken(self, error: Any) -> AravisError:
        held = error.contents
        message = " ".join((held.message or b"").decode(errors="replace").split())
        domain = (self.g_quark_to_string(held.domain) or b"").decode(errors="replace")
        found = AravisError(message, domain, held.code)
        self.g_error_free(error)
        return found


@cache
def load(path: Path | None) -> Library:
    """Load the library, or give the one that was loaded before.

    Parameters
    ----------
    path
        Of the library; None to look for it where systems have it.

    Raises
    ------
    CameraError
        There is none, or it cannot be loaded; the message says what to install.
    """
    failures = []
    for candidate in _candidates() if path is None else (str(path.expanduser().absolute()),):
        try:
            loaded = Library(ctypes.CDLL(candidate), _glib_beside(candidate))
        except OSError as error:
            failures.append(str(error))
            continue
        except AttributeError as error:
            raise CameraError(f"{candidate} is no libaravis 0.8: it has no {error}") from None
        # What it would print on standard error is raised as well.
        loaded.arv_debug_enable(b"all:0")
        return loaded
    if path is not None:
        raise CameraError(f"--aravis.library {path} cannot be loaded: {'; '.join(failures)}")
    # A library that is there but lacks one of its own is worth a word; that there is none is said already.
    names = _names()
    broken = [one for one in failures if not any(f"{name}: cannot open" in one for name in names)]
    why = f" ({'; '.join(broken)})" if broken else ""
    raise CameraError(
        f"the library Aravis (libaravis 0.8) is not installed{why}: {how_to_install(sys.platform)}"
    )


def how_to_install(platform: str) -> str:
    """Say how a system, as `sys.platform` names it, gets the library."""
    return _INSTALL.get(platform, _INSTALL_LINUX)


def _names() -> tuple[str, ...]:
    return _NAMES.get(sys.platform, _LINUX_NAMES)


def _candidates() -> Iterator[str]:
    """Give what to try: files that are there, and on Linux the names that its loader knows."""
    if sys.platform not in _NAMES:
        yield from _names()
    folders = [Path(folder) for folder in _FOLDERS.get(sys.platform, ())]
    folders.append(Path(sys.prefix, "Library", "bin") if sys.platform == "win32" else Path(sys.prefix, "lib"))
    if sys.platform == "win32":
        # Python looks for libraries in PATH no more.
        folders = [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep) if part] + folders
    for folder in folders:
        for name in _names():
            if (folder / name).is_file():
                yield str(folder / name)


def _glib_beside(path: str) -> tuple[ctypes.CDLL, ...]:
    if sys.platform != "win32":
        return ()
    return tuple(ctypes.CDLL(str(Path(path).parent / name)) for name in _WINDOWS_GLIB)
