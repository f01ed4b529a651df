"""What every test relies on: a spool of its own, none of the user's settings, and throw-away plugins."""

from __future__ import annotations

import importlib
import os
import secrets
import signal
import sys
import textwrap
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from tests.object_store import Gate, RunningStore, refuse_without_store, running_store, use_store

from rheed_acquire.frames.ring_files import SHARED_MEMORY_VARIABLE
from rheed_acquire.hookspecs import PROJECT
from rheed_acquire.recording.bucket_path import BucketPath
from rheed_acquire.view.station_file import FOLDER_VARIABLE

# How long an example takes says something of the machine's load, and nothing of the program.
settings.register_profile("any-load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# What is to land is judged by one run, which must say the same of the same code: its examples are always the
# same ones. Every other run goes on searching.
settings.register_profile("judged", settings.get_profile("any-load"), derandomize=True)
settings.load_profile("judged" if os.environ.get("CI") else "any-load")

# Started in the background, tests ignore Ctrl-C, and so does what they start, where some of them press it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MEMORY = Path("/dev/shm")
SETTINGS_OF_THE_USER = ("AS_API_KEY", "ATOMSCALE_API_KEY", "AS_API_ENDPOINT")


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Test with one worker more than there are processors: many tests wait for processes of their own."""
    return (yield) + 1


@contextmanager
def own_shared_memory() -> Iterator[Path]:
    """A folder in memory for rings alone, where there is any; it goes with whatever a test leaves in it.

    A run looks at every ring of its user, and names those that are nobody's: other tests', for one.
    """
    with TemporaryDirectory(prefix="rheed-acquire-test-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True, scope="session")
def own_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what outlives a test, as a server of a whole file, out of the user's spool and shared memory."""
    with pytest.MonkeyPatch.context() as patch, own_shared_memory() as memory:
        patch.setenv("RHEED_SPOOL_DIR", str(tmp_path_factory.mktemp("spool-of-the-session")))
        patch.setenv(SHARED_MEMORY_VARIABLE, str(memory))
        patch.setenv(FOLDER_VARIABLE, str(tmp_path_factory.mktemp("stations")))
        for name in SETTINGS_OF_THE_USER:
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def own_spool(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep chunks, in this process and those it starts, where no other test looks."""
    spool = tmp_path_factory.mktemp("spool")
    with own_shared_memory() as memory:
        monkeypatch.setenv("RHEED_SPOOL_DIR", str(spool))
        monkeypatch.setenv(SHARED_MEMORY_VARIABLE, str(memory))
        yield spool


class Distributions:
    """A folder that `importlib.metadata` takes for one of installed distributions, once it is on the path.

    So a plugin is found as a third party's is, without pip.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: set[str] = set()

    def add(
        self, name: str, source: str, *, plugin: str | None = None, module: str = "", version: str = "1.0"
    ) -> str:
        """Write a distribution with one module and one entry point; the entry point's name."""
        plugin = plugin or name
        module = module or f"throwaway_{name.replace('-', '_')}"
        self.modules.add(module)
        (self.folder / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[{PROJECT}]\n{plugin} = {module}\n", encoding="utf-8")
        importlib.invalidate_caches()
        return plugin

    def entry_points(self) -> list[EntryPoint]:
        """Those of this folder only, as `importlib.metadata` reads them."""
        found = [point for one in distributions(path=[str(self.folder)]) for point in one.entry_points]
        return [point for point in found if point.group == PROJECT]


@pytest.fixture
def distributions_on_disk(tmp_path: Path) -> Distributions:
    """For a subprocess: put the folder on its PYTHONPATH."""
    folder = tmp_path / "site"
    folder.mkdir()
    return Distributions(folder)


@pytest.fixture
def installed(
    distributions_on_disk: Distributions, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Distributions]:
    """For this process: what is added can be imported and found until the test ends."""
    monkeypatch.syspath_prepend(distributions_on_disk.folder)
    yield distributions_on_disk
    for module in distributions_on_disk.modules:
        sys.modules.pop(module, None)


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    """An object store that ends with the tests."""
    refuse_without_store()
    with running_store(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def gate(bucket: BucketPath) -> Iterator[Gate]:
    """What the processes of a test reach the store through; the test itself goes straight there."""
    gate = Gate(os.environ["AWS_ENDPOINT_URL"])
    yield gate
    gate.close()


@pytest.fixture
def bucket(object_store: RunningStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BucketPath:
    """A place in the store that is this test's alone; what the test starts can reach it too."""
    use_store(object_store, monkeypatch, tmp_path)
    return BucketPath("s3://runs") / secrets.token_hex(8)
