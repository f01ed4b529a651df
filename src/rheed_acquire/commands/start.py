"""``rheed-acquire start``: have a station begin a run."""

from __future__ import annotations

from collections.abc import Sequence

from rheed_acquire.commands.station import StationParser, show_run


def main(arguments: Sequence[str]) -> int:
    """Start a run, and say what it is."""
    parser = StationParser(
        "start",
        "Have the station begin a run. It returns when the run records, or with --wait when it has ended. "
        "What is left out is as the station was told when it was started.",
    )
    parser.add_argument("--stream-name", metavar="NAME", help="name of the stream")
    parser.add_argument("--physical-sample", metavar="SAMPLE", help="physical sample, by name or UUID")
    parser.add_argument("--project-id", metavar="ID", help="project that the stream belongs to")
    parser.add_argument("--tag", action="append", metavar="TAG", help="tag of the stream; can be repeated")
    parser.add_argument("--azimuth", metavar="LABEL", help="azimuth of a stationary stage, such as [110]")
    parser.add_argument("--rotations-per-min", type=float, metavar="RPM", help="rotation of the stage")
    parser.add_argument("--duration", type=float, metavar="S", help="end the run after so many seconds")
    parser.add_argument("--frames", type=int, metavar="N", help="end the run after so many frames")
    parser.add_argument(
        "--pre-roll",
        type=float,
        metavar="S",
        help="begin so many seconds before now, as far as the preview has kept the frames",
    )
    parser.add_argument(
        "--when",
        metavar="CONDITION",
        help='wait, and begin with the first frame for which this is true: "specular > 120", '
        '"line Line1 high", "at 14:30", "at 2026-11-29 14:30 UTC", "in 90 s"; it returns at once then',
    )
    parser.add_argument(
        "--until", metavar="CONDITION", help='end the run when this is true: "specular < 20 for 2 s"'
    )
    archive = parser.add_mutually_exclusive_group()
    archive.add_argument(
        "--archive",
        action="store_true",
        default=None,
        help="keep the originals too, where the station's own --archive says",
    )
    archive.add_argument("--no-archive", dest="archive", action="store_false", help="keep no originals")
    parser.add_argument("--notes", metavar="TEXT", help="what else is to be known of the run")
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--wait", action="store_true", help="return when the run has ended, with its exit code")
    ends.add_argument("--no-wait", action="store_true", help="return at once")
    given, station = parser.read(arguments)
    with station:
        run = station.start(
            stream_name=given.stream_name,
            physical_sample=given.physical_sample,
            project_id=given.project_id,
            tags=given.tag,
            azimuth=given.azimuth,
            rotations_per_min=given.rotations_per_min,
            duration=given.duration,
            frames=given.frames,
            pre_roll_s=given.pre_roll,
            when=given.when,
            until=given.until,
            archive=given.archive,
            notes=given.notes,
            **({"wait_s": 0.0} if given.no_wait else {}),
        )
        if given.wait:
            run.wait(float("inf"))
        return show_run(run.latest, as_json=given.json)
