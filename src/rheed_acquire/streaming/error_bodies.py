"""What a server says of an error, as one line of bounded length, whatever it sends."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 300
"""Characters of a reason."""
_LONGEST_PART = 120
_LONGEST_PAGE = 4_096
"""Of a page or XML: what it has to say stands at its beginning."""
_MOST_PARTS = 5
_DEEPEST = 6

_BOUNDS = {"le": "at most", "ge": "at least", "lt": "less than", "gt": "more than"}
"""The keys of pydantic's ``ctx``, by which FastAPI says what a number must be."""
_LIMITS = {"max_length": "at most {} long", "min_length": "at least {} long", "pattern": "of the form {}"}
_PLACES = ("body", "query", "path", "header", "cookie")
"""Where FastAPI found the value: before the field's name in ``loc``."""
_SAYING = ("detail", "message", "Message", "error_description", "error", "title", "reason", "msg")
"""Where JSON bodies have their reason; ``title`` and ``detail`` are those of RFC 9457."""
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_XML_PART = re.compile(r"<(Code|Message)>([^<]*)</\1>")
_NO_TEXT = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")
_SIGNED = re.compile(r"(\?|%3[fF])[^\s\"'<>?=]*=[^\s\"'<>]*")
"""The query of a URL."""
_LOGIN = re.compile(r"//[^\s/\"'<>@]*@")


def reason_of(body: bytes, *secrets: str) -> str:
    """Put the body of an error into one line; empty where it says nothing.

    Parameters
    ----------
    body
        JSON as FastAPI, RFC 9457 or anybody gives it; XML as S3 gives it; a web page; text; anything.
    secrets
        Words that are not repeated, though the server does.
    """
    # Before anything is cut, since half a secret is one as well; and again where JSON had spelt it otherwise.
    text = _without(body.decode(json.detect_encoding(body), "replace"), secrets)
    line = _without(one_line("; ".join(_parts(text)), _LONGEST_PAGE), secrets)
    return one_line(_LOGIN.sub("//***@", _SIGNED.sub(r"\1***", line)), LONGEST)


def detail_of(body: bytes) -> Any:
    """The ``detail`` of a JSON body, or None."""
    content = _json(body.decode(json.detect_encoding(body), "replace"))
    return content.get("detail") if isinstance(content, dict) else None


def is_json(body: bytes) -> bool:
    """Whether a body is JSON."""
    return _json(body.decode(json.detect_encoding(body), "replace")) is not None


def one_line(text: str, longest: int) -> str:
    """Make a text from outside one line of printable characters, cut where it is too long."""
    # No line end, no control character, none that turns the direction of the text, no half of a surrogate.
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 20 * longest])
    words = " ".join(printable.split())
    return words if len(words) <= longest else f"{words[: longest - 3]}..."


def shown_url(url: str) -> str:
    """A URL without what may be secret in it: user name, password and query."""
    place = url.partition("?")[0].partition("#")[0]
    scheme, separator, rest = place.partition("://")
    if not separator:
        scheme, rest = "", place
    if "@" in rest:
        rest = f"***@{rest.rpartition('@')[2]}"
    return one_line(f"{scheme}{separator}{rest}", LONGEST)


def _parts(text: str) -> list[str]:
    content = _json(text)
    if content is not None:
        return [part for part, _ in zip(_sentences(content), range(_MOST_PARTS), strict=False)]
    text = text[:_LONGEST_PAGE]
    said = [html.unescape(part) for _, part in _XML_PART.findall(text)]
    if said:
        return said[:2]
    title = _TITLE.search(text)
    if title is not None:
        return [html.unescape(title.group(1))]
    if text.lstrip()[:1] == "<":
        return [html.unescape(_TAG.sub(" ", _NO_TEXT.sub(" ", text)))]
    return [text]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _sentences(content: Any, depth: int = 0) -> Iterator[str]:
    """Yield what a JSON value says, a sentence for each of its reasons."""
    if depth > _DEEPEST:
        return
    if isinstance(content, list):
        for entry in content:
            yield from _sentences(entry, depth + 1)
    elif isinstance(content, dict):
        if "loc" in content and "msg" in content:
            yield _validation(content)
            return
        found = False
        for key in _SAYING:
            for sentence in _sentences(content[key], depth + 1) if content.get(key) else ():
                found = True
                yield sentence
            if found:
                return
        if content:
            plain = [f"{key}: {value}" for key, value in content.items() if _is_plain(value)]
            yield ", ".join(plain[:_MOST_PARTS])
    elif content is not None and str(content).strip():
        yield str(content)


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


def _validation(entry: Mapping[str, Any]) -> str:
    """One entry of FastAPI's 422: which field, what it must be, what it was."""
    loc = entry["loc"] if isinstance(entry["loc"], list) else [entry["loc"]]
    if len(loc) > 1 and loc[0] in _PLACES:
        loc = loc[1:]
    field = one_line(".".join(str(part) for part in loc), _LONGEST_PART)
    sentence = f"{field}: {_demand(entry)}"
    value = entry.get("input")
    if _is_plain(value) and entry.get("type") != "missing":
        shown = repr(value) if isinstance(value, str) else _number(value)
        sentence += f", and this stream has {one_line(shown, _LONGEST_PART)}"
    return sentence


def _demand(entry: Mapping[str, Any]) -> str:
    given = entry.get("ctx")
    context = given if isinstance(given, dict) else {}
    demands = [f"{words} {_number(context[key])}" for key, words in _BOUNDS.items() if key in context]
    demands += [words.format(_number(context[key])) for key, words in _LIMITS.items() if key in context]
    return one_line(" and ".join(demands) or str(entry["msg"]), _LONGEST_PART)


def _number(value: Any) -> str:
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return str(int(value)) if is_whole else str(value)


def _without(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text
