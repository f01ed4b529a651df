"""``rheed-acquire serve keys``: the keys of a server, which are kept with its runs."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rheed_acquire.commands.parser import Parser
from rheed_acquire.commands.serve_place import add_place, place_of
from rheed_acquire.commands.table import print_table
from rheed_acquire.system.terminal import write_json, write_line, write_note

if TYPE_CHECKING:
    from rheed_acquire.server.keys import KeyBook, Right

_MOST = 10_000


def main(arguments: Sequence[str]) -> int:
    """Add, revoke or list."""
    from rheed_acquire.server.documents import documents_of
    from rheed_acquire.server.keys import MOST_STREAMS, REQUESTS_A_SECOND, KeyBook, Right

    parser = Parser(
        prog="rheed-acquire serve keys",
        description="The keys that servers take, which are kept with the runs. A server that runs knows "
        "what is changed within seconds.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add = commands.add_parser(
        "add",
        help="make a key, and print it once",
        description="Make a key and print it; it is kept nowhere.",
    )
    add.add_argument("name", metavar="NAME", help="whose it is, such as chamber-3: a-z, 0-9 and hyphens")
    add.add_argument(
        "--may",
        type=_rights,
        default=[Right.STREAM],
        metavar="RIGHTS",
        help="stream (its own runs), read (every run, in the overview), administer (everything); several "
        "with commas between (default: stream)",
    )
    add.add_argument(
        "--streams",
        type=_count,
        default=MOST_STREAMS,
        metavar="N",
        help=f"streams it may have open at once (default: {MOST_STREAMS})",
    )
    add.add_argument(
        "--requests",
        type=_rate,
        default=REQUESTS_A_SECOND,
        metavar="N",
        help=f"requests a second that each server answers (default: {REQUESTS_A_SECOND:g})",
    )
    revoke = commands.add_parser(
        "revoke", help="remove a key", description="Remove a key; its streams stay, and end by themselves."
    )
    revoke.add_argument("name", metavar="NAME")
    listing = commands.add_parser("list", help="list the keys", description="List the keys, without them.")
    listing.add_argument("--json", action="store_true", help="print JSON")
    for one in (add, revoke, listing):
        add_place(one)
    given = parser.parse_args(arguments)
    book = KeyBook(documents_of(place_of(given)))
    if given.command == "add":
        write_line(f"AS_API_KEY={book.add(given.name, given.may, given.streams, given.requests)}")
        write_note(f"This is the key of {given.name}; it is not kept, and cannot be shown again.")
    elif given.command == "revoke":
        book.revoke(given.name)
        write_note(f"The key of {given.name} is taken no more: servers that run know it within seconds.")
    else:
        _list(book, as_json=given.json)
    return 0


def _rights(text: str) -> list[Right]:
    from rheed_acquire.server.keys import Right

    try:
        return [Right(word.strip()) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not what a key may do: {', '.join(Right)}, or several with commas between"
        ) from None


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of streams, which is 1 to {_MOST}")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0.1 <= rate <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate of requests, which is 0.1 to {_MOST} a second")
    return rate


def _list(book: KeyBook, *, as_json: bool) -> None:
    keys = book.kept()
    if as_json:
        write_json(
            [
                {
                    "name": key.name,
                    "may": sorted(key.rights),
                    "streams": key.most_streams,
                    "requests_s": key.requests_s,
                    "created_utc": key.created_utc,
                }
                for key in keys
            ],
            indent=2,
        )
    elif keys:
        rows = [
            (
                str(key.name), ", ".join(sorted(key.rights)), str(key.most_streams), f"{key.requests_s:g}",
                key.created_utc,
            )
            for key in keys
        ]  # fmt: skip
        print_table(("name", "may", "streams", "requests/s", "made (UTC)"), rows)
    else:
        write_line("no keys; rheed-acquire serve keys add NAME makes one")
