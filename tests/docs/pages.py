"""A page of the documentation taken apart: its blocks, and what its comments say about them.

A comment is MyST's (``% key: value``) or, where GitHub shows the page, HTML's (``<!-- key: value -->``). It
stands right before the block that it is about, those of the whole page anywhere. The keys:

``not run: REASON``
    The block cannot run in a test. What can be checked of it without running is checked all the same.
``before: CODE``
    Runs before the block, in its language and for a file in bash: what the reader has or does, and the test
    has not.
``stand-in: A => B``
    From here on the commands of the page run with B in place of A, such as the serial number of an emulated
    camera in place of the reader's.
``environment: NAME=VALUE``
    From here on the page's commands have this variable.
``exit code: N``
    The block's last command ends with it.
``output: compared``
    What a ``console`` block shows is what is printed; ``...`` stands for anything.
``file: NAME``
    The block is a file of this name, and is written: for README.md, where a caption is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

PAGE_KEYS = frozenset({"stand-in", "environment"})
KEYS = PAGE_KEYS | {"not run", "before", "exit code", "output", "file"}

_COMMENT = re.compile(r"\s*(?:%\s?(?P<myst>.*)|<!--\s*(?P<html>.*?)\s*-->)\s*")
_OPTION = re.compile(r":([a-z-]+):\s*(.*)")
_CODE_DIRECTIVE = re.compile(r"\{code(?:-block)?\}\s*(\S*)")
APPENDED = (" (continued)", " (its end)")
"""What a caption adds to a file's name where the block goes to the end of what is there."""


# Pages are read in threads, and mdurl, which quotes links, fills its table at the first one without a lock.
MarkdownIt("commonmark").parse("[first](link)")


class PageError(Exception):
    """The page says something that cannot be meant."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes
    ----------
    line
        Of the page, counted from 1, on which the block's text begins.
    language
        Empty where the fence has none; ``{name}`` for a directive that shows no code.
    file
        What its caption names: the block is this file, or with `continues` goes to its end.
    said
        What the comments before it say, as pairs of key and value.
    """

    line: int
    language: str
    text: str
    file: str | None
    continues: bool
    said: tuple[tuple[str, str], ...]

    def values(self, key: str) -> list[str]:
        """Everything that is said under one key."""
        return [value for name, value in self.said if name == key]


@dataclass(frozen=True)
class Page:
    """A page, its blocks in order, and the code in its running text as pairs of line and text."""

    name: str
    blocks: tuple[Block, ...]
    inline_code: tuple[tuple[int, str], ...]


def read_page(name: str, file: Path) -> Page:
    """Read a page.

    Raises
    ------
    PageError
        A comment before a block has an unknown key, or an option of it no meaning.
    """
    return parse_page(name, file.read_text(encoding="utf-8"))


def parse_page(name: str, text: str) -> Page:
    """Take the text of a page apart; see `read_page`."""
    blocks: list[Block] = []
    code: list[tuple[int, str]] = []
    for found in _walk(name, text.splitlines(), 0):
        if isinstance(found, Block):
            blocks.append(found)
        else:
            code.append(found)
    return Page(name, tuple(blocks), tuple(code))


def _walk(name: str, lines: list[str], offset: int) -> Iterator[Block | tuple[int, str]]:
    tokens = MarkdownIt("commonmark").enable("table").parse("\n".join(lines))
    comments = _Comments(name, lines, tokens, offset)
    for token in tokens:
        first = token.map[0] if token.map else 0
        for child in token.children or ():
            if child.type == "code_inline":
                yield offset + first + 1, child.content
        if token.type == "code_block":
            # An indented block would be shown as code and seen by nobody here.
            raise PageError(f"{name}:{offset + first + 1}: code is indented; fence it, with its language")
        if token.type != "fence":
            continue
        language, content, start = token.info.strip(), token.content, offset + first + 2
        directive = _CODE_DIRECTIVE.fullmatch(language)
        if language.startswith("{") and directive is None:
            if not language.startswith(("{eval-rst}", "{toctree}")):
                # A note or a tab: what is in it is part of the page.
                yield from _walk(name, content.splitlines(), offset + first + 1)
            continue
        said = comments.before(first)
        file = next((value for key, value in said if key == "file"), None)
        if directive is not None:
            language = directive[1]
            options, content = _options(content)
            start += len(options)
            file = options.get("caption", file)
        continues = file is not None and file.endswith(APPENDED)
        for suffix in APPENDED:
            file = None if file is None else file.removesuffix(suffix).strip("`")
        yield Block(start, language, content, file, continues, said)
    comments.check_all_used()


class _Comments:
    """The comments of a text, handed out to the blocks that they are about."""

    def __init__(self, name: str, lines: list[str], tokens: list[Token], offset: int) -> None:
        self._name, self._lines, self._offset = name, lines, offset
        inside = {
            number for token in tokens if token.type == "fence" and token.map for number in range(*token.map)
        }
        self._left: dict[int, tuple[str, str]] = {}
        for number, line in enumerate(lines):
            comment = None if number in inside else _COMMENT.fullmatch(line)
            if comment is not None:
                key, _, value = (comment["html"] or comment["myst"] or "").partition(":")
                self._left[number] = (key.strip(), value.strip())

    def before(self, fence: int) -> tuple[tuple[str, str], ...]:
        """Take those that stand right before a line, and all before it that are about the page."""
        number = fence - 1
        while number >= 0 and (number in self._left or not self._lines[number].strip()):
            number -= 1
        taken = {
            at: said
            for at, said in self._left.items()
            if at < fence and (at > number or said[0] in PAGE_KEYS)
        }
        for at, (key, _) in taken.items():
            del self._left[at]
            if key not in KEYS:
                known = ", ".join(sorted(KEYS))
                place = f"{self._name}:{self._offset + at + 1}"
                raise PageError(f"{place}: a comment before a block says one of {known}, not {key!r}")
        return tuple(taken.values())

    def check_all_used(self) -> None:
        """Refuse comments that would say something, were there a block."""
        for at, (key, _) in self._left.items():
            if key in KEYS:
                raise PageError(f"{self._name}:{self._offset + at + 1}: {key!r} stands before no block")


def _options(content: str) -> tuple[dict[str, str], str]:
    lines = content.splitlines(keepends=True)
    options = {}
    while lines and (option := _OPTION.fullmatch(lines[0].strip())):
        options[option[1]] = option[2]
        lines.pop(0)
    return options, "".join(lines).lstrip("\n")
