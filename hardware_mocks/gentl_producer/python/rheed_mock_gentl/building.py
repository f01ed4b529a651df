"""Build the producer from a checkout with CMake, once for each state of its sources.

For test fixtures: users install the package instead. `build` is safe against several processes at once.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2]
PARTS = ("CMakeLists.txt", "src", "description", "test")


class BuildToolMissingError(RuntimeError):
    """CMake or a C compiler is not on this machine."""


def fingerprint() -> str:
    """Hash everything that the build reads."""
    digest = hashlib.sha256()
    for part in PARTS:
        path = SOURCES / part
        files = [path] if path.is_file() else sorted(path.glob("*.[chp]*"))
        for file in (f for f in files if f.is_file()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    output = done.stdout + done.stderr
    if "No CMAKE_C_COMPILER" in output or "CMAKE_C_COMPILER not set" in output:
        raise BuildToolMissingError("CMake found no C compiler")
    raise RuntimeError(f"{' '.join(command)} failed:\n{output[-4000:]}")


def build(cache: Path, *, sanitize: str = "", driver: bool = False) -> Path:
    """Build the producer below `cache`, unless it was built there from the same sources.

    Parameters
    ----------
    cache
        A folder that lasts.
    sanitize
        Sanitizers, as GCC and Clang name them: ``address,undefined`` or ``thread``.
    driver
        Build the test driver as well, as ``driver`` beside the producer.

    Returns
    -------
    Path
        The folder with ``rheed_mock.cti``.

    Raises
    ------
    BuildToolMissingError
        There is no CMake or no C compiler here.
    RuntimeError
        The build failed; the message ends with the compiler's words.
    """
    kind = (sanitize.replace(",", "_") or "plain") + ("_driver" if driver else "")
    target = cache / f"{fingerprint()}_{kind}"
    if (target / "rheed_mock.cti").is_file():
        return target
    if not shutil.which("cmake"):
        raise BuildToolMissingError("CMake is not installed")
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="building_", dir=cache))
    try:
        tree, result = work / "tree", work / "result"
        tree.mkdir()
        result.mkdir()
        options = [f"-DSANITIZE={sanitize}", f"-DBUILD_DRIVER={'ON' if driver else 'OFF'}"]
        options += ["-G", "Ninja"] if shutil.which("ninja") else []
        _run(["cmake", "-S", str(SOURCES), "-B", str(tree), *options], work)
        _run(["cmake", "--build", str(tree), "--config", "RelWithDebInfo"], work)
        for name in ["rheed_mock.cti", "driver"] if driver else ["rheed_mock.cti"]:
            shutil.copy2(next(tree.rglob(name)), result / name)
        try:
            result.replace(target)
        except OSError:  # another process was faster
            if not (target / "rheed_mock.cti").is_file():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target
