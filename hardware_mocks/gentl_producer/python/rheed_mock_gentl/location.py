"""Where the built producer lies."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

NAME = "rheed_mock.cti"


class ProducerNotFoundError(FileNotFoundError):
    """The package is there without its compiled part."""


def cti_path() -> Path:
    """Find the producer: what ``MOCK_GENTL_CTI`` names, else the file installed with this package.

    Raises
    ------
    ProducerNotFoundError
        Neither is there; the message says what to do.
    """
    named = os.environ.get("MOCK_GENTL_CTI")
    if named:
        if Path(named).is_file():
            return Path(named).resolve()
        raise ProducerNotFoundError(f"MOCK_GENTL_CTI names {named}, which is not a file")
    spec = importlib.util.find_spec("rheed_mock_gentl")
    # An editable install keeps what was compiled apart from the sources; the path holds both places.
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        if (Path(folder) / NAME).is_file():
            return (Path(folder) / NAME).resolve()
    raise ProducerNotFoundError(
        f"no {NAME} in {', '.join(folders)}: pip install ./hardware_mocks/gentl_producer, "
        "or set MOCK_GENTL_CTI to one built with CMake"
    )
