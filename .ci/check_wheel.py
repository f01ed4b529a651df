"""Says what a built wheel lacks: ``check_wheel.py WHEEL``."""

import sys
import tomllib
import zipfile
from pathlib import Path


def main(wheel: Path, project: Path) -> str | None:
    """Return what is missing, or None."""
    config = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    expected = set()
    for package in map(Path, config["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]):
        for file in (project / package).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                expected.add(file.relative_to(project / package.parent).as_posix())
    unlisted = {path.parent.name for path in project.glob("plugins/*/__init__.py")} - {
        Path(name).parts[0] for name in expected
    }
    if unlisted:
        return f"plugins that pyproject.toml does not put into the wheel: {sorted(unlisted)}"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = next(name for name in names if name.endswith(".dist-info/entry_points.txt"))
        points = archive.read(info).decode()
    expected |= {"rheed_acquire/py.typed", info.replace("entry_points.txt", "licenses/LICENSE")}
    if missing := expected - names:
        return f"{wheel.name} lacks {sorted(missing)}"
    surplus = {name.split("/")[0] for name in names} - {Path(name).parts[0] for name in expected}
    if surplus:
        return f"{wheel.name} has packages that it should not: {sorted(surplus)}"
    for name, target in config["project"]["entry-points"]["rheed_acquire"].items():
        if f"{name} = {target}" not in points:
            return f"{wheel.name} lacks the entry point {name}"
    print(f"{wheel.name}: {len(names)} files, all that belong there")
    return None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(__file__).resolve().parent.parent))
