"""Says what a plugin imports beside the public API: ``check_public_imports.py FOLDER...``."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import rheed_acquire

PUBLIC = {"rheed_acquire", "rheed_acquire.testing"}


def private_imports(file: Path) -> Iterator[str]:
    """Yield what a file imports of rheed_acquire that is not public."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            modules = [node.module]
            if node.module == "rheed_acquire":
                # A submodule can be imported like a name: from rheed_acquire import ring.
                surplus = {alias.name for alias in node.names} - {*rheed_acquire.__all__, "testing"}
                modules += [f"rheed_acquire.{name}" for name in sorted(surplus)]
        else:
            continue
        for module in modules:
            if module.split(".")[0] == "rheed_acquire" and module not in PUBLIC:
                yield f"{file}:{node.lineno}: {module}"


def main(folders: list[Path]) -> str | None:
    """Return what is not public, or None."""
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    if not files:
        return f"no Python file in {', '.join(map(str, folders))}"
    found = [line for file in files for line in private_imports(file)]
    if found:
        return "\n".join(["imports what is not public:", *found])
    print(f"{len(files)} files import nothing of rheed_acquire but the public API")
    return None


if __name__ == "__main__":
    sys.exit(main(list(map(Path, sys.argv[1:]))))
