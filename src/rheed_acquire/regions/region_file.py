"""Regions drawn in the page, written back to the settings file that the next run reads."""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Sequence
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from rheed_acquire.errors import SettingsError
from rheed_acquire.regions.regions import Region
from rheed_acquire.system.durable_files import remove, replace
from rheed_acquire.system.long_paths import real_path


def save_regions(file: Path, regions: Sequence[Region]) -> None:
    """Make these the ``[[regions]]`` of a settings file; everything else in it stays as it is.

    A region that was there keeps its comments. The file is made where there is none.

    Raises
    ------
    SettingsError
        It cannot be read or written, or is not TOML.
    """
    file = real_path(file)
    try:
        # As bytes, so that lines end as they did; editors on Windows begin the file with a byte order mark.
        text = file.read_bytes().decode("utf-8-sig") if file.exists() else ""
        changed = with_regions(text, regions)
        # A rename: whoever reads the file meanwhile finds the old one or the new one.
        temporary = file.with_name(f"{file.name}.{secrets.token_hex(4)}.part")
        try:
            temporary.write_text(changed, encoding="utf-8", newline="")
            if file.exists():
                temporary.chmod(file.stat().st_mode)
            replace(temporary, file)
        finally:
            remove(temporary)
    except OSError as error:
        raise SettingsError(f"the regions could not be saved in {file}: {error.strerror or error}") from None
    except (TOMLKitError, UnicodeDecodeError, ValueError):
        raise SettingsError(f"the regions could not be saved: {file} is not valid TOML; mend it") from None


def with_regions(text: str, regions: Sequence[Region]) -> str:
    """The text of a settings file with these regions instead of its own.

    Raises
    ------
    tomlkit.exceptions.TOMLKitError, ValueError
        The text is not valid TOML.
    """
    document = tomlkit.parse(text)
    before = document.get("regions")
    known: dict[str, Table] = {}
    if isinstance(before, AoT):
        known = {str(table.get("name")): table for table in before if isinstance(table, Table)}
    tables = tomlkit.aot()
    for region in regions:
        table = known.get(region.name)
        fields = region.model_dump()
        if table is None:
            table = tomlkit.table()
            table.update(fields)
            table.add(tomlkit.nl())
        else:
            table.update({key: value for key, value in fields.items() if table.get(key) != value})
        tables.append(table)
    if isinstance(before, AoT) and regions:
        document["regions"] = tables
    else:
        # An inline array cannot become tables where it stands: keys of the run may follow it.
        document.pop("regions", None)
        if regions:
            document.append("regions", tables)
    changed = tomlkit.dumps(document).rstrip("\r\n") + "\n"
    if tomllib.loads(changed).get("regions", []) != [region.model_dump() for region in regions]:
        raise ValueError("the regions would not be read back")
    return changed
