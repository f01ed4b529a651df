"""``python -m faulty_server``: the proxy from a shell."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from .rules import parse_rule
from .server import FaultyServer


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m faulty_server", description="A local Atomscale server that fails on demand."
    )
    parser.add_argument("--directory", type=Path, default=Path("runs"), help="where runs are kept")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of whatever is left to chance")
    parser.add_argument("--failure-rate", type=float, default=0.0, help="fraction of requests that fail")
    parser.add_argument("--rule", action="append", default=[], help="see README.md; may be repeated")
    parser.add_argument(
        "--down", default=None, metavar="EVERY:FOR", help="be down for FOR seconds after every EVERY"
    )
    parser.add_argument(
        "--env-file", type=Path, default=None, help="write AS_API_KEY and AS_API_ENDPOINT here, for a client"
    )
    given = parser.parse_args(arguments)
    try:
        rules = [parse_rule(text) for text in given.rule]
        every_s, for_s = (float(part) for part in (given.down or "0:0").split(":"))
    except ValueError as error:
        parser.error(str(error))
    ended = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, frame: ended.set())  # noqa: ARG005
    with FaultyServer(
        given.directory, seed=given.seed, failure_rate=given.failure_rate, port=given.port
    ) as server:
        for rule in rules:
            server.add(rule)
        if given.env_file is not None:
            given.env_file.touch(mode=0o600)
            given.env_file.write_text(f"AS_API_KEY={server.api_key}\nAS_API_ENDPOINT={server.endpoint}\n")
        print(f"serving {given.directory} on {server.endpoint}, seed {given.seed}", flush=True)
        while not ended.wait(every_s or None):
            with server.down():
                ended.wait(for_s)
        print(f"{len(server.plan.requests)} requests, {len(server.plan.faults)} met a fault")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
