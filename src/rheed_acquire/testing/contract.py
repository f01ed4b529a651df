"""The contract as a class of tests: an author derives from it, and pytest holds the camera to every rule."""

# ruff: noqa: D102 - the name of a test is a sentence

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from rheed_acquire.cameras.camera import (
    AmbiguousCameraError,
    Camera,
    CameraInfo,
    CameraNotFoundError,
    CameraSettingError,
)
from rheed_acquire.hookspecs import PROJECT
from rheed_acquire.testing import checks
from rheed_acquire.testing.bench import Bench, Options
from rheed_acquire.testing.calls import LIMIT_S, opened
from rheed_acquire.testing.frame_checks import check_frames
from rheed_acquire.testing.frame_cost import measure_frame_cost
from rheed_acquire.testing.importing import check_import
from rheed_acquire.testing.leaks import check_leaks
from rheed_acquire.testing.observer import Observer, TakenFrame
from rheed_acquire.testing.pytest_plugin import AWAY, MEASURED
from rheed_acquire.testing.round_trip import check_sources
from rheed_acquire.testing.rules import Rule, broken
from rheed_acquire.testing.telling import check_telling, read_info
from rheed_acquire.testing.tried_settings import Change, check_readback, tried_fields, tried_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CameraContract", "Change"]


class CameraContract:
    """Every rule of the camera contract as a test: derive a class ``Test...`` from it and set `backend`.

    What the author gives beside that makes more of it testable. A test that something is missing for is
    skipped, and says what (``pytest -rs``).

    Attributes
    ----------
    backend
        The name that the plugin registers, as in ``--camera``.
    settings
        Of the backend's model, by name: with these its camera is opened in every test.
    fps
        To ask for; None for the camera's own rate.
    serials
        Of devices that have to be discovered.
    second
        Settings that choose another device, which streams beside the first.
    absent
        Settings that choose a device that is not there.
    ambiguous
        Settings that fit several devices; one of None leaves that setting out.
    changes
        Values to try, by the name of the setting, each plain or as a `Change`. Without one, the value in
        `settings` or the model's default is tried.
    unread
        Why a setting is not read back, by its name: it selects the device, or it never reaches it.
    gap_settings, fault_settings
        With which the camera is opened besides for `lose_frames` and `lose_device`.
    poison
        Whether buffers may be overwritten once ``on_frame`` has returned. False for a camera that lends
        pictures which it keeps, as a computed one may.
    leak_kb, leak_why
        Memory in kB that one more opening may cost, and why.
    """

    backend: ClassVar[str] = ""
    settings: ClassVar[Mapping[str, Any]] = {}
    fps: ClassVar[float | None] = None
    serials: ClassVar[Sequence[str]] = ()
    second: ClassVar[Mapping[str, Any] | None] = None
    absent: ClassVar[Mapping[str, Any] | None] = None
    ambiguous: ClassVar[Mapping[str, Any] | None] = None
    changes: ClassVar[Mapping[str, Any]] = {}
    unread: ClassVar[Mapping[str, str]] = {}
    gap_settings: ClassVar[Mapping[str, Any]] = {}
    fault_settings: ClassVar[Mapping[str, Any]] = {}
    poison: ClassVar[bool] = True
    leak_kb: ClassVar[float] = 80.0
    leak_why: ClassVar[str] = "what an allocator keeps"

    # ---- for the author to override --------------------------------------------------------------------

    def lose_frames(self, camera: Camera) -> int | None:  # noqa: ARG002
        """Make the device lose frames, and return how many (None where that cannot be known).

        As a stand-in or an SDK's own emulation can do it: a frame that is not sent, a grab that fails.
        """
        pytest.skip("nothing makes its device lose frames: override lose_frames")

    def lose_device(self, camera: Camera) -> None:  # noqa: ARG002
        """Take the device away while it streams, so that it can be opened again within half a minute."""
        pytest.skip("nothing takes its device away: override lose_device, or give --unplug")

    def expected_pixels(
        self,
        settings: Any,  # noqa: ARG002
        info: CameraInfo,  # noqa: ARG002
        taken: TakenFrame,  # noqa: ARG002
    ) -> NDArray[Any] | None:
        """Tell what the pixels of a frame have to be, bit by bit; None where nobody can know.

        Parameters
        ----------
        settings
            With which the camera was opened, an instance of the backend's model.
        """
        return None

    @classmethod
    def entry_points(cls) -> Iterable[EntryPoint]:
        """Give the entry points that the plugin host loads: those that are installed."""
        return entry_points(group=PROJECT)

    # ---- what the tests stand on -----------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make one test of each setting of the backend."""
        if "tried_setting" in metafunc.fixturenames:
            name = self.backend or Options.of(metafunc.config).camera or ""
            fields = tried_fields(self.entry_points(), name)
            metafunc.parametrize("tried_setting", fields)

    @pytest.fixture
    def options(self, pytestconfig: pytest.Config) -> Options:
        """What the command line says of the camera."""
        return Options.of(pytestconfig)

    @pytest.fixture
    def bench(self, options: Options, pytestconfig: pytest.Config) -> Iterator[Bench]:
        """Give the backend as a run has it; what is open after a test is closed."""
        name = self.backend or options.camera
        if not name:
            pytest.skip("which camera? give --camera BACKEND")
        if options.camera not in (None, name):
            pytest.skip(f"--camera {options.camera} was asked for")
        settings = {**self.settings, **options.settings}
        if options.serials:
            settings["serial"] = options.serials[0]
        fps = self.fps if options.fps is None else options.fps
        bench = Bench(name, settings, fps, self.entry_points())
        away = pytestconfig.stash.setdefault(AWAY, {})
        try:
            if name in away:
                bench.skip_while_away(away.pop(name))
            yield bench
        finally:
            bench.close()
            if bench.away:
                away[name] = bench.away

    def _serials(self, options: Options) -> Sequence[str]:
        return options.serials or self.serials

    def _second(self, options: Options) -> Mapping[str, Any]:
        if len(options.serials) > 1:
            return {"serial": options.serials[1]}
        if self.second is None or options.serials:
            pytest.skip("there is no second device: set `second`, or give --serial twice")
        return self.second

    def _absent(self, options: Options) -> Mapping[str, Any]:
        if options.serials:
            return {"serial": "no-such-camera"}
        if self.absent is None:
            pytest.skip("its device cannot be chosen, or `absent` is not set")
        return self.absent

    # ---- before the first frame ------------------------------------------------------------------------

    def test_the_backend_is_registered_by_a_distribution_that_is_known(self, bench: Bench) -> None:
        owner = bench.host.owner("camera", bench.backend.name)
        if not owner.provenance or bench.backend not in owner.cameras:
            broken(Rule.REGISTERED, f"the host knows {bench.backend.name} by {owner.provenance!r}")
        if len(bench.backend.description.splitlines()) != 1:
            broken(Rule.REGISTERED, f"its description is no single line: {bench.backend.description!r}")

    def test_importing_the_plugin_imports_no_sdk(self, bench: Bench) -> None:
        owner = bench.host.owner("camera", bench.backend.name)
        (point,) = (one for one in bench.points if one.name == owner.name)
        check_import(point.module, bench.backend)

    def test_every_setting_has_a_default_and_a_description(self, bench: Bench) -> None:
        for name, one in bench.backend.settings.model_fields.items():
            if one.is_required() or not one.description:
                broken(Rule.FIELDS, f"{name} has no {'default' if one.is_required() else 'description'}")

    def test_every_device_is_discovered_with_what_tells_it_from_its_neighbours(
        self, bench: Bench, options: Options
    ) -> None:
        devices = bench.discover()
        names = [str(device) for device in devices]
        if not devices or {device.backend for device in devices} != {bench.backend.name}:
            broken(Rule.DISCOVER, f"devices of {bench.backend.name} were asked for, and found: {devices}")
        if len(set(names)) != len(names):
            broken(Rule.DISCOVER, f"two devices bear one name: {names}")
        for serial in self._serials(options):
            if [device.serial for device in devices].count(serial) != 1:
                broken(Rule.DISCOVER, f"the camera with serial {serial} is not there once: {names}")

    def test_the_device_that_was_chosen_is_the_one_that_is_opened(
        self, bench: Bench, options: Options
    ) -> None:
        listed = bench.discover()
        choices: list[Mapping[str, Any]] = [{}]
        if self.second is not None or len(options.serials) > 1:
            choices.append(self._second(options))
        for choice in choices:
            asked = {**bench.settings, **choice}.get("serial")
            with opened(partial(bench.open, **choice)) as camera:
                device = read_info(camera).device
            if device not in listed:
                broken(Rule.OPEN, f"{device} was opened, which is none of those discovered")
            if asked is not None and device.serial != asked:
                broken(Rule.OPEN, f"serial {asked} was asked for, and {device} was opened")

    def test_a_device_that_is_not_there_is_an_error_that_names_those_that_are(
        self, bench: Bench, options: Options
    ) -> None:
        message = bench.refusal(self._absent(options), CameraNotFoundError)
        for serial in self._serials(options):
            if serial not in message:
                broken(Rule.OPEN, f"the message does not name {serial}: {message}")

    def test_no_choice_among_several_is_an_error_that_lists_them(
        self, bench: Bench, options: Options
    ) -> None:
        if self.ambiguous is None or options.serials:
            pytest.skip("there are not several devices to choose from, or `ambiguous` is not set")
        message = bench.refusal(self.ambiguous, AmbiguousCameraError)
        for part in (*self.serials, f"--{bench.backend.name}.serial"):
            if part not in message:
                broken(Rule.OPEN, f"the message does not name {part}: {message}")

    def test_a_setting_goes_from_each_source_to_the_device_and_is_read_back(
        self, bench: Bench, tried_setting: str, tmp_path: Path
    ) -> None:
        name = tried_setting
        tried = tried_value(bench.backend.settings, name, self.changes, bench.settings)
        if tried is None:
            pytest.skip(f"no value to try {name} with: {self.unread.get(name, 'give one in `changes`')}")
        change = tried.change
        list(check_sources(bench.host, bench.backend, name, change.value, tmp_path))
        if name in self.unread:
            return
        try:
            camera = bench.open(**{name: change.value, **change.beside})
        except CameraSettingError as error:
            if tried.is_the_authors:
                broken(Rule.SETTINGS, f"{name}={change.value} is refused: {error}")
            pytest.skip(f"the camera refuses {name}={change.value}, and says so: {error}")
        with opened(lambda: camera):
            check_readback(read_info(camera), name, change, exactly=tried.is_the_authors)

    def test_frames_have_the_size_and_format_that_were_set(self, bench: Bench) -> None:
        # Each frame is compared with `CameraInfo`, which the test above compares with the settings.
        model = bench.backend.settings
        forms: dict[str, Any] = {}
        for name in {"width", "height", "pixel_format"} & self.changes.keys() & model.model_fields.keys():
            tried = tried_value(model, name, self.changes, {})
            assert tried is not None
            forms[name] = tried.change.value
        if not forms:
            pytest.skip("`changes` has neither width, height nor pixel_format")
        checks.check_delivery(lambda: bench.open(**forms), frames=3)

    # ---- from start to close ---------------------------------------------------------------------------

    def test_start_does_not_wait_for_a_frame_to_be_taken(self, bench: Bench) -> None:
        checks.check_start(bench.open)

    def test_frames_come_in_order_and_as_the_camera_took_them(self, bench: Bench) -> None:
        checks.check_delivery(bench.open, partial(self.expected_pixels, bench.chosen({})))

    def test_what_the_camera_tells_of_itself_holds_before_during_and_after_a_run(self, bench: Bench) -> None:
        check_telling(bench.open)

    def test_a_slow_callback_keeps_its_pixels(self, bench: Bench) -> None:
        checks.check_lent_pixels(bench.open)

    def test_each_frame_is_written_anew_into_its_buffer(self, bench: Bench) -> None:
        if not self.poison:
            pytest.skip("the camera lends pictures that it keeps (`poison` is False)")
        checks.check_buffers(bench.open)

    def test_stop_waits_for_the_callback_and_none_comes_after_it(self, bench: Bench) -> None:
        checks.check_stop(bench.open)

    def test_a_camera_starts_and_stops_again_and_again(self, bench: Bench, options: Options) -> None:
        checks.check_restarts(bench.open, 100 if options.full else 10)

    def test_a_camera_closes_while_it_streams(self, bench: Bench) -> None:
        checks.check_close_while_streaming(bench.open)

    def test_stop_and_close_do_nothing_where_there_is_nothing_to_do(self, bench: Bench) -> None:
        checks.check_idle_calls(bench.open)

    def test_a_closed_camera_can_be_opened_again_and_streams(self, bench: Bench) -> None:
        for _ in range(2):
            checks.check_delivery(bench.open, frames=2)

    def test_two_cameras_stream_at_once(self, bench: Bench, options: Options) -> None:
        second = self._second(options)
        runs = [({}, Observer()), (second, Observer())]
        cameras = [bench.open(**choice) for choice, _ in runs]
        (_, first_seen), (_, second_seen) = runs
        for camera, (_, seen) in zip(cameras, runs, strict=True):
            seen.start(camera)
        for _, seen in runs:
            seen.wait_for_frames(10)
        first_seen.stop(cameras[0])
        # The other must go on when the first has stopped.
        second_seen.wait_for_frames(second_seen.frames + 5)
        second_seen.stop(cameras[1])
        for camera, (choice, seen) in zip(cameras, runs, strict=True):
            seen.verdict()
            info = read_info(camera)
            check_frames(info, seen.kept)
            expected = partial(self.expected_pixels, bench.chosen(choice))
            checks.check_images(info, seen.kept, expected)

    # ---- what goes wrong, and what stays behind --------------------------------------------------------

    def test_frames_that_the_camera_loses_are_told(self, bench: Bench) -> None:
        if type(self).lose_frames is CameraContract.lose_frames:
            pytest.skip("nothing makes its device lose frames: override lose_frames")
        checks.check_gap(lambda: bench.open(**self.gap_settings), self.lose_frames)

    def test_a_lost_device_is_told_once_is_closed_and_opens_when_it_is_back(
        self, bench: Bench, options: Options, pytestconfig: pytest.Config
    ) -> None:
        lose: Callable[[Camera], None] = self.lose_device
        if options.unplug:
            lose = _asking_at_the_terminal(pytestconfig)
        elif type(self).lose_device is CameraContract.lose_device:
            pytest.skip("nothing takes its device away: override lose_device, or give --unplug")
        try:
            checks.check_loss(
                lambda: bench.open(**self.fault_settings), lose, lambda: bench.open_again(LIMIT_S)
            )
        except BaseException:
            bench.wait_until_back(LIMIT_S)
            raise

    @pytest.mark.timeout(1800)
    def test_opening_and_closing_leaves_nothing_behind(
        self, bench: Bench, options: Options, record_property: Callable[[str, object], None]
    ) -> None:
        cycles = 1000 if options.full else 20
        leak_kb, why = self.leak_kb, self.leak_why
        before, after = check_leaks(lambda: _open_briefly(bench), cycles, leak_kb, why)
        record_property("cycles", cycles)
        record_property("before", str(before))
        record_property("after", str(after))
        print(f"{bench.backend.name}, {cycles} openings: {before} became {after}")

    def test_what_a_frame_costs_is_measured(
        self,
        bench: Bench,
        options: Options,
        pytestconfig: pytest.Config,
        record_property: Callable[[str, object], None],
    ) -> None:
        cost = measure_frame_cost(bench.open, 1000 if options.full else checks.FRAMES)
        record_property("frame_cost", str(cost))
        lines = pytestconfig.stash.get(MEASURED, None)
        if lines is not None:
            lines.append(f"{bench.backend.name}: {cost}")


def _open_briefly(bench: Bench) -> None:
    observer = Observer()
    with opened(bench.open_briefly) as camera:
        observer.start(camera)
        observer.wait_for_frames(1)
        observer.stop(camera)
    observer.verdict()


def _asking_at_the_terminal(config: pytest.Config) -> Callable[[Camera], None]:
    """Ask for the cable to be pulled, though pytest keeps back what tests print."""

    def ask(camera: Camera) -> None:
        capture = config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print(f"\n>>> Unplug {camera.info.device} now, count to five, and plug it in again.", flush=True)

    return ask
