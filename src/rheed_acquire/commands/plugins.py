"""``rheed-acquire plugins``: what is installed, where it comes from, and whether it can be used."""

from __future__ import annotations

from collections.abc import Sequence

from rheed_acquire.commands.host import answered, load_host
from rheed_acquire.commands.table import print_table
from rheed_acquire.errors import SettingsError
from rheed_acquire.host.backend_names import Backend, kind_of
from rheed_acquire.host.plugins import PluginHost, PluginRecord, missing_requirement
from rheed_acquire.system.terminal import write_json


def main(arguments: Sequence[str]) -> int:
    """Print the table, or with ``--json`` a list."""
    if answered(arguments, "plugins [--json] [FLAGS]", "List every plugin and whether it can be used."):
        return 0
    from rheed_acquire.settings.catalogue import Catalogue
    from rheed_acquire.settings.flags import read_flags

    host = load_host(arguments)
    # Only the flags: a mistake in a file must not hide what may be its cause, a plugin that is not there.
    flags = read_flags(arguments, Catalogue(host))
    if flags.problems:
        raise SettingsError("\n".join(flags.problems))
    if "--json" in arguments:
        write_json([_as_json(host, record) for record in host.plugins], indent=2)
        return 0
    table: list[tuple[str, ...]] = []
    for record in host.plugins:
        rows = _brings(host, record) or [("", "" if record.failure or record.disabled else "yes")]
        state = "disabled" if record.disabled else f"no: {record.failure}" if record.failure else None
        for number, (name, usable) in enumerate(rows):
            first = number == 0
            table.append(
                (
                    record.name if first else "",
                    record.provenance if first else "",
                    name,
                    state if state and first else usable,
                )
            )
    print_table(("plugin", "distribution", "brings", "usable"), table)
    return 0


def _why_not(host: PluginHost, kind: str, backend: Backend) -> str | None:
    return host.ambiguous.get((kind, backend.name)) or missing_requirement(backend)


def _brings(host: PluginHost, record: PluginRecord) -> list[tuple[str, str]]:
    rows = []
    for backend in record.backends:
        kind = kind_of(backend)
        missing = _why_not(host, kind, backend)
        rows.append((f"{kind} {backend.name}: {backend.description}", f"no: {missing}" if missing else "yes"))
    return rows


def _as_json(host: PluginHost, record: PluginRecord) -> dict[str, object]:
    def backends(kind: str) -> list[dict[str, object]]:
        return [
            {
                "name": backend.name,
                "description": backend.description,
                "usable": _why_not(host, kind, backend) is None,
                "reason": _why_not(host, kind, backend),
            }
            for backend in record.backends
            if kind_of(backend) == kind
        ]

    return {
        "plugin": record.name,
        "distribution": record.distribution,
        "version": record.version,
        "disabled": record.disabled,
        "failure": record.failure,
        "cameras": backends("camera"),
        "streamers": backends("streamer"),
        "channels": backends("channel"),
    }
