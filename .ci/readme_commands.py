"""Takes the two commands that README.md promises out of it: ``readme_commands.py README.md FOLDER``.

Each must stand alone in a fenced block. They go, as they stand, to ``1.sh`` and ``2.sh`` of the folder.
"""

import re
import sys
from pathlib import Path

INSTALL = "python -m pip install -e "
ENDS = ("&& rheed-acquire --camera simulated --duration 10", "&& python -m pytest")


def main(readme: Path, folder: Path) -> str | None:
    """Return what is wrong, or None."""
    text = readme.read_text(encoding="utf-8")
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    commands = [block.strip() for block in blocks if INSTALL in block]
    if [command.count("\n") for command in commands] != [0, 0] or any(
        not (command.startswith(INSTALL) and command.endswith(end))
        for command, end in zip(commands, ENDS, strict=True)
    ):
        return f"{readme} must hold two commands to install and run or test, a block each; found {commands}"
    for number, command in enumerate(commands, start=1):
        (folder / f"{number}.sh").write_text(f"{command}\n", encoding="utf-8", newline="\n")
        print(f"{number}: {command}")
    return None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
