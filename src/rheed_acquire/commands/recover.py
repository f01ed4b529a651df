"""``rheed-acquire recover``: deliver what earlier runs have left, or write it to disk as recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from rheed_acquire.commands.host import answered, load
from rheed_acquire.commands.long_work import progress_of
from rheed_acquire.commands.run_setup import spool_limits
from rheed_acquire.commands.spool import IN_USE, waiting_streams
from rheed_acquire.errors import RheedAcquireError, SettingsError
from rheed_acquire.run.report import DELIVERED, FRAMES_LOST
from rheed_acquire.streaming.archive_upload import ArchiveOutcome, catch_up
from rheed_acquire.streaming.limits import SpoolLimits
from rheed_acquire.streaming.plugin import RHEEDStreamerSettings
from rheed_acquire.streaming.spool import Spool
from rheed_acquire.streaming.spool_entries import StrangeEntry
from rheed_acquire.streaming.stream_places import default_spool_folder
from rheed_acquire.streaming.streamer import LOCAL_SERVER
from rheed_acquire.streaming.waiting_archives import archives_left
from rheed_acquire.system.terminal import stderr_is_terminal, write_json, write_line, write_note

if TYPE_CHECKING:
    from rheed_acquire.server.process import LocalServer
    from rheed_acquire.settings.run_settings import RunSettings
    from rheed_acquire.streaming.rheed_streamer import RHEEDStreamer


def main(arguments: Sequence[str]) -> int:
    """Recover, and say for each stream what became of it."""
    usage = "recover [--export DIR] [--json] [FLAGS]"
    if answered(
        arguments,
        usage,
        "Deliver what earlier runs left in the spool; --export DIR writes the rest.",
        headings=("delivery",),
    ):
        return 0
    remaining, export = _take_export(list(arguments))
    _, settings = load(remaining)
    run = settings.run
    rheed = settings.backend("rheed")
    assert isinstance(rheed, RHEEDStreamerSettings)
    root = run.spool_dir or default_spool_folder()
    reports: list[dict[str, Any]] = []
    waiting, strange = chunks_waiting(root)
    complete = not any(entry.holds_frames for entry in strange)
    for entry in strange:
        write_note(f"warning: {entry.path} is left as it is: {entry.reason}")
    for server, chunks in sorted(waiting.items()):
        try:
            if stderr_is_terminal():
                write_note(f"delivering what waits for {server}")
            with progress_of("delivering chunks", chunks) as on_chunks:
                reports += recover_server(server, root, run, rheed.bare_confirmations, on_chunks)
        except RheedAcquireError as error:
            complete = False
            write_note(f"warning: {server}: {error}")
    # After the streams, which close their archives.
    archives = recover_archives(root)
    complete = complete and all(archive.is_complete for archive in archives)
    if export is not None and stderr_is_terminal():
        write_note(f"writing what the spool holds to {export}")
    exported = [] if export is None else export_streams(root, export)
    complete = complete and all(
        report.get("closed")
        and not any(report.get(rest) for rest in ("lost", "quarantined", "damaged", "archive_trouble"))
        for report in reports
    )
    if run.json_report:
        left = [{"path": str(entry.path), "reason": entry.reason} for entry in strange]
        written = [str(path) for path in exported]
        brought = [asdict(archive) for archive in archives]
        told = {"streams": reports, "archives": brought, "exported": written, "strange": left}
        write_json(told, indent=2)
    else:
        _show(reports, archives, exported, complete=complete)
    return DELIVERED if complete else FRAMES_LOST


def chunks_waiting(root: Path) -> tuple[dict[str, int], list[StrangeEntry]]:
    """Count by server the chunks of the streams that no process is at work on; and what is no stream.

    Raises
    ------
    SettingsError
        The spool cannot be read.
    """
    streams, strange = waiting_streams(root)
    waiting: Counter[str] = Counter()
    for stream in streams:
        if stream.state != IN_USE:
            waiting[stream.server] += stream.chunks + stream.ring_chunks
    return dict(waiting), strange


def recover_archives(root: Path) -> list[ArchiveOutcome]:
    """Bring the archives that wait in a spool into their buckets.

    Raises
    ------
    SettingsError
        The spool cannot be read.
    """
    try:
        left = archives_left(root)
        if left and stderr_is_terminal():
            write_note("bringing archives into their buckets")
        with progress_of("bringing chunks", sum(one.chunks for one in left if not one.in_use)) as on_chunks:
            found = []
            for outcome in catch_up(root):
                on_chunks(outcome.chunks_put)
                found.append(outcome)
            return found
    except OSError as error:
        raise SettingsError(f"the spool {root} cannot be read: {error.strerror}") from None


def recover_server(
    server: str,
    root: Path,
    run: RunSettings,
    bare_confirmations: bool,
    on_chunks: Callable[[int], None] = lambda chunks: None,  # noqa: ARG005
) -> list[dict[str, Any]]:
    """Deliver everything that waits for one server.

    ``on_chunks`` is told of how many more chunks have arrived or were given up.

    Raises
    ------
    RheedAcquireError
        It cannot be reached, or there is no key for it.
    """
    from rheed_acquire.streaming.rheed_streamer import DEFAULT_ENDPOINT

    if not server.startswith(LOCAL_SERVER):
        if run.api_key is None:
            raise SettingsError("needs an API key: set AS_API_KEY in the environment or in .env")
        endpoint = (run.endpoint or DEFAULT_ENDPOINT).rstrip("/")
        if server.rstrip("/") != endpoint:  # a key is shown to nobody but the server that it is for
            raise SettingsError(
                f"needs a key of its own, and AS_API_KEY is for {endpoint}: where it is this server's, say "
                f"so by --endpoint {server}, or AS_API_ENDPOINT; else give this server's too"
            )
        with _open_streamer(run.api_key, server, server, root, run, bare_confirmations) as streamer:
            return streamer.recover(run.drain_timeout, on_chunks)
    from rheed_acquire.server.process import LocalServer

    with LocalServer(Path(server.removeprefix(LOCAL_SERVER))) as local:
        return recover_own(local, root, run, bare_confirmations, on_chunks)


def recover_own(
    local: LocalServer,
    root: Path,
    run: RunSettings,
    bare_confirmations: bool,
    on_chunks: Callable[[int], None] = lambda chunks: None,  # noqa: ARG005
) -> list[dict[str, Any]]:
    """Deliver to a server that was started for it, and wait for nothing more once that is lost."""
    server = f"{LOCAL_SERVER}{local.directory}"
    with _open_streamer(local.api_key, local.endpoint, server, root, run, bare_confirmations) as streamer:

        def leave_the_rest(why: str) -> None:
            write_note(f"warning: {why}")
            streamer.close()  # under `recover`, which returns then

        local.on_loss = leave_the_rest
        return streamer.recover(run.drain_timeout, on_chunks)


def _open_streamer(
    key: SecretStr,
    endpoint: str,
    server: str,
    root: Path,
    run: RunSettings,
    bare_confirmations: bool,
) -> RHEEDStreamer:
    from rheed_acquire.streaming.rheed_streamer import RHEEDStreamer

    # What is there already has to be encoded whatever the limits for new runs say.
    limits = replace(spool_limits(run), keep_free_bytes=0, max_bytes=None)
    return RHEEDStreamer(
        key,
        endpoint,
        run.verbosity,
        spool_folder=root,
        spool_limits=limits,
        server=server,
        bare_confirmations=bare_confirmations,
    )


def export_streams(root: Path, directory: Path) -> list[Path]:
    """Write what is still in the spool as recordings; it stays there as well."""
    from rheed_acquire.streaming.export import export_stream

    waiting, _ = chunks_waiting(root)
    spool = Spool(root, SpoolLimits())
    try:
        with progress_of("writing chunks", sum(waiting.values())) as on_chunks:
            return [
                export_stream(folder, directory, on_chunks)
                for folder in spool.leftovers()
                if folder.shards() or next(folder.ring.chunks_left(), None) is not None
            ]
    except OSError as error:
        raise SettingsError(f"cannot write to {directory} (--export): {error.strerror}") from None
    finally:
        spool.close()


def _take_export(arguments: list[str]) -> tuple[list[str], Path | None]:
    """Take ``--export DIR`` out of the command line: it is this command's alone."""
    for position, argument in enumerate(arguments):
        if argument == "--export":
            if position + 1 == len(arguments):
                raise SettingsError("--export: needs a value, DIR (command line)")
            return arguments[:position] + arguments[position + 2 :], Path(arguments[position + 1])
        if argument.startswith("--export="):
            return arguments[:position] + arguments[position + 1 :], Path(argument.partition("=")[2])
    return arguments, None


def _show(
    reports: list[dict[str, Any]],
    archives: Sequence[ArchiveOutcome],
    exported: list[Path],
    *,
    complete: bool,
) -> None:
    if not reports and not archives and complete:
        write_line("nothing waits to be delivered")
    for report in reports:
        delivered = report.get("chunks_uploaded", 0)
        left = report.get("chunks_not_uploaded", 0)
        damaged = report.get("quarantined", 0)
        is_whole = not (left or damaged or report.get("damaged"))
        verdict = "finished" if report.get("closed") and is_whole else "NOT finished"
        write_line(f"{verdict}: {report['stream_name']} ({report['data_id']})")
        write_line(f"  {delivered} chunks delivered, {left} left")
        for index, reason in report.get("lost", []):
            write_line(f"  chunk {index}: {reason}")
        if report.get("trouble"):
            write_line(f"  it cannot be recovered: {report['trouble']}")
        for what in report.get("damaged", []):
            write_line(f"  damaged: {what}")
        if report.get("archive_trouble"):
            write_line(f"  not archived yet: {report['archive_trouble']}; recover tries again")
        for left_alone in report.get("strange", []):
            write_line(f"  left as it is: {left_alone}")
        if damaged:
            write_line(
                f"  {damaged} chunks were damaged on disk; rheed-acquire spool tells where they are kept"
            )
        if report.get("refused"):
            write_line(
                "  the server takes no more of it; rheed-acquire recover --export DIR writes the rest to disk"
            )
    for archive in archives:
        write_line(
            f"{'finished' if archive.is_complete else 'NOT finished'}: {archive.place or archive.folder}"
        )
        if not archive.is_complete:
            write_line(
                f"  {archive.chunks_put} chunks brought there, {archive.chunks_waiting} wait in "
                f"{archive.folder}"
            )
        if archive.trouble is not None:
            write_line(f"  {archive.trouble}")
    for path in exported:
        write_line(f"exported: {path}")
