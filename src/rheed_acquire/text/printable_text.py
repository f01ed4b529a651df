"""Text from outside, made fit for a line of a terminal or a log, and for a file in UTF-8.

What a camera, a plugin, a server or a file calls itself is anybody's: an escape sequence in it must not steer
the terminal, a line break must not forge a line of ours, and a name in a wrong encoding must not fail what is
said or written. Whatever is shown passes `printable`, at the place where it is shown: in
`rheed_acquire.system.terminal`, and in `LineFormatter`.
"""

from __future__ import annotations

import logging
import re
import unicodedata

LONGEST_LINE = 4000
"""Characters; of what is longer the beginning and the end are shown."""
_TAIL = 800

_SURROGATES = re.compile("[\ud800-\udfff]")


def printable(text: str, *, longest: int | None = LONGEST_LINE) -> str:
    r"""Return one line that a terminal shows as it stands, however the text was meant.

    Control characters (C0, C1, ESC, line breaks), marks that change the direction of text, other characters
    without a glyph, and lone surrogates are written as in a Python string: ``\x1b``, ``\n``, ``\u202e``. The
    byte behind a surrogate of Python's own (PEP 383) is written as that byte, ``\xe9``. Of more
    than ``longest`` characters the middle is left out.
    """
    if longest is not None and len(text) > longest:
        left_out = len(text) - longest
        head = text[: longest - _TAIL]
        text = f"{head}[{left_out} characters left out]{text[-_TAIL:]}"
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or unicodedata.category(one) == "Zs" else _escaped(one) for one in text
    )


def well_formed(text: str) -> str:
    """Return the text with U+FFFD in the place of lone surrogates: every encoding of Unicode takes it."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


class LineFormatter(logging.Formatter):
    """One record, one line; a traceback follows in lines of its own, which are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record; the line is cut as `printable` does."""
        lines = [printable(self.formatMessage(self._with_message(record)))]
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        for more in (record.exc_text, record.stack_info):
            lines += [f"    {printable(line)}" for line in (more or "").splitlines()]
        return "\n".join(lines)

    def _with_message(self, record: logging.LogRecord) -> logging.LogRecord:
        record.message = record.getMessage()
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        return record
