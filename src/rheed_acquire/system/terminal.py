"""What the command says, and the only place that writes it: what was asked for to stdout, all else to stderr.

Every line passes `printable`, so that no text from outside can steer the terminal or forge a line of ours,
and none fails for a character that the output's encoding lacks. A reader that goes away (``| head``) ends
nothing: what it would have read is let go.

For the time of a command stdout is *kept*: SDKs print, also from C on descriptor 1, and must not spoil the
table or the one JSON object that a script reads. Descriptor 1 leads to stderr meanwhile, for child processes
too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TextIO

from rheed_acquire.system.c_runtimes import lead_stdout_to_stderr
from rheed_acquire.text.json_text import json_text
from rheed_acquire.text.printable_text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_STDOUT, _STDERR = 1, 2


@dataclass(slots=True)
class _Stdout:
    """The command's own stdout, and what became of it."""

    stream: TextIO | None
    is_own: bool = False
    expects_json: bool = False
    used: bool = False
    failure: OSError | None = None

    def write(self, text: str) -> None:
        """Write it, all at once."""
        self.used = True
        if self.stream is None or self.failure is not None:
            return
        try:
            _put(self.stream, text)
        except OSError as error:
            self.failure = error
            if self.is_own:
                _lead_to_nowhere(self.stream.fileno())  # what it still holds


_kept: _Stdout | None = None


def write_line(*lines: str) -> None:
    """Say lines on stdout."""
    _stdout().write("".join(f"{printable(line)}\n" for line in lines))


def write_json(value: Any, *, indent: int | None = None) -> None:
    """Say a value on stdout as JSON (see `rheed_acquire.text.json_text`)."""
    _stdout().write(json_text(value, indent=indent) + "\n")


def write_note(*lines: str) -> None:
    """Say lines on stderr; where nobody can read them they are let go."""
    try:
        _put(sys.stderr, "".join(f"{printable(line)}\n" for line in lines))
    except OSError as error:
        is_own = sys.stderr is sys.__stderr__ and _descriptor(sys.stderr) == _STDERR
        if is_own and is_reader_gone(error):
            _lead_to_nowhere(_STDERR)  # nor the log's lines


def styled(text: str, style: str = "") -> Text:
    """Make of a text what rich draws as it stands: no markup, no emoji, no control character."""
    from rich.text import Text

    return Text(printable(text), style)


def stdout_is_terminal() -> bool:
    """Whether a person looks at stdout."""
    return is_terminal(_stdout().stream)


def stderr_is_terminal() -> bool:
    """Whether a person looks at stderr."""
    return is_terminal(sys.stderr)


def stdout_encoding() -> str:
    """The encoding that stdout has."""
    return getattr(_stdout().stream, "encoding", None) or "ascii"


def stdout_console() -> Console:
    """Make what draws tables on stdout."""
    return _console(_stdout().stream)


def stderr_console() -> Console:
    """Make what draws on stderr."""
    return _console(sys.stderr)


def expect_json() -> None:
    """From now on a failure too is said as JSON on stdout, where nothing else was."""
    _stdout().expects_json = True


def write_failure(text: str, exit_code: int) -> None:
    """Say why the command failed: on stderr, line by line, and as JSON where that is expected."""
    write_note(*(f"error: {line}" for line in text.splitlines() or [""]))
    stdout = _stdout()
    if stdout.expects_json and not stdout.used:
        write_json({"error": text, "exit_code": exit_code})


@contextlib.contextmanager
def kept_stdout(*, for_good: bool) -> Iterator[None]:
    """Keep stdout to this command, and let what others print go to stderr.

    Parameters
    ----------
    for_good
        Whether the process ends with the command: an SDK may print at its exit, and that is none of the
        command's either. Else stdout is given back, as a caller within Python expects.
    """
    global _kept
    own = sys.stdout
    with contextlib.ExitStack() as undo:
        before = _kept
        stream = _take(own, undo)
        _kept = _Stdout(stream, is_own=stream is not own)
        try:
            yield
        finally:
            if for_good:
                undo.pop_all()
                _let_go_of_the_rest()
            else:
                undo.close()
                _kept = before


def exit_code_of(code: int) -> int:
    """The exit code of a command that ends with ``code``, now that all is said: 1 where it could not be said.

    A reader that has gone away is no failure.
    """
    failure = _stdout().failure
    if failure is None or is_reader_gone(failure):
        return code
    write_note(f"error: stdout cannot be written: {failure.strerror or failure}")
    return code or 1


def is_reader_gone(error: OSError, *, windows: bool = sys.platform == "win32") -> bool:
    """Whether a write failed because nobody reads from that pipe any more; Windows says EINVAL."""
    return isinstance(error, BrokenPipeError) or (windows and error.errno == errno.EINVAL)


def _stdout() -> _Stdout:
    return _Stdout(sys.stdout) if _kept is None else _kept


def _take(own: TextIO | None, undo: contextlib.ExitStack) -> TextIO | None:
    """Take stdout away from everybody else; ``undo`` gives it back."""
    if own is None:  # closed before the process began, or pythonw.exe
        return None
    descriptor = _descriptor(own)
    if descriptor != _STDOUT:  # a stand-in, as of a notebook or a test
        sys.stdout = sys.stderr
        undo.callback(setattr, sys, "stdout", own)
        return own
    with contextlib.suppress(OSError):
        own.flush()
    mine = os.dup(_STDOUT)
    stream = open(mine, "w", encoding=own.encoding, errors="backslashreplace")  # noqa: SIM115, PTH123
    _lead_to_stderr()

    def give_back() -> None:
        for one in (own, stream):
            with contextlib.suppress(OSError, ValueError):
                one.flush()
        os.dup2(mine, _STDOUT)
        with contextlib.suppress(OSError):
            stream.close()

    undo.callback(give_back)
    return stream


def _lead_to_stderr() -> None:
    try:
        lead_stdout_to_stderr()
    except OSError:  # stderr is closed
        _lead_to_nowhere(_STDOUT)


def _lead_to_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    if nowhere != descriptor:
        os.close(nowhere)


def _let_go_of_the_rest() -> None:
    """Write now what Python would write at its exit, and complain about where nobody reads it any more."""
    for stream, descriptor in ((sys.stdout, _STDOUT), (sys.stderr, _STDERR)):
        try:
            if stream is not None:
                stream.flush()
        except ValueError:  # closed by somebody
            pass
        except OSError:
            with contextlib.suppress(OSError):
                _lead_to_nowhere(descriptor)


def _descriptor(stream: IO[str] | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sits at the other end; of the device NUL Windows says what it says of a terminal."""
    try:
        if stream is None or not stream.isatty():
            return False
        if sys.platform == "win32":
            import ctypes
            import msvcrt

            kernel = ctypes.WinDLL("kernel32")
            kernel.GetConsoleMode.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint32)]
            mode = ctypes.c_uint32()
            return bool(kernel.GetConsoleMode(msvcrt.get_osfhandle(stream.fileno()), ctypes.byref(mode)))
    except (ValueError, OSError):  # closed by somebody, or of no file
        return False
    return True


def _put(stream: TextIO | None, text: str) -> None:
    """Write and flush; a stream that is closed or not there takes nothing.

    Raises
    ------
    OSError
        Its reader has gone, or its disk is full.
    """
    if stream is None:
        return
    encoding = getattr(stream, "encoding", None)
    if encoding:
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        stream.write(text)
        stream.flush()
    except ValueError:
        if not stream.closed:
            raise


def _console(stream: TextIO | None) -> Console:
    from rich.console import Console

    # Windows draws colours by calls that know the standard streams only, and what was kept is none of them.
    has_colours = stream is sys.stderr or sys.platform != "win32"
    return Console(
        file=_Patient(stream),  # type: ignore[arg-type]
        color_system="auto" if has_colours else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


class _Patient:
    """A stream whose reader may go away while rich draws on it."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or let it go."""
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or let it go."""
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError):
                self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
