"""What the help needs not, it does not load: it is what a newcomer waits for first."""

from __future__ import annotations

import json
import subprocess
import sys

_LOOK = """
import json, sys
from rheed_acquire.commands import run
run.main(["--help"])
from rheed_acquire.host.plugins import BUILT_IN, PluginHost
ours = [record for record in PluginHost().plugins if record.distribution == BUILT_IN]
models = {backend.settings for record in ours for backend in record.backends}
built = sorted(model.__name__ for model in models if model.__pydantic_complete__)
print("\\n" + json.dumps({"count": len(models), "built": built, "modules": sorted(sys.modules)}))
"""
DEAR = {
    "numpy",
    "requests",
    "ssl",
    "tomllib",
    "configparser",
    "pydantic_settings",
    "pypylon",
    "av",
    "h5py",
    "zarr",
}


def test_the_help_builds_no_validator_and_imports_nothing_that_only_a_run_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOOK],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["count"] > 5
    assert found["built"] == []
    assert DEAR.isdisjoint(found["modules"])
