"""Settings of a plugin whose own checks fail: one line that says whose, and no traceback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rheed_acquire.errors import SettingsError
from rheed_acquire.host.plugins import PluginHost
from rheed_acquire.settings.sources import LoadedSettings, load_settings

if TYPE_CHECKING:
    from tests.conftest import Distributions

PLUGIN = """
from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from rheed_acquire import CameraBackend, hookimpl

class OwnError(BaseException):
    pass

class Settings(BaseModel):
    level: int = Field(1, description="brightness")
    token: SecretStr = Field(SecretStr(""), description="password")

    @model_validator(mode="after")
    def check(self):
        {check}
        return self

@hookimpl
def rheed_register_cameras(register):
    register(CameraBackend("moody", "a camera", Settings, lambda settings: [], lambda *_: None))
"""


def loaded(installed: Distributions, check: str, *argv: str, token: str = "s3cr3t") -> LoadedSettings:
    installed.add("moody-vision", PLUGIN.replace("{check}", check), plugin="moody")
    host = PluginHost(sources=installed.entry_points())
    assert host.failures == []
    return load_settings(argv, host, {"RHEED_MOODY__TOKEN": token}, Path(installed.folder))


@pytest.mark.parametrize(
    ("raised", "shown"),
    [
        ("KeyError('level')", "KeyError: 'level'"),
        ("SystemExit('bye')", "SystemExit: bye"),
        ("OwnError('two\\nlines')", "OwnError: two lines"),
        ("OSError(2, 'no such file')", "FileNotFoundError: [Errno 2] no such file"),
    ],
)
@pytest.mark.parametrize("when", ["given", "default"])
def test_what_a_plugins_check_raises_is_told_with_its_table(
    installed: Distributions, raised: str, shown: str, when: str
) -> None:
    condition = "self.level == 3" if when == "given" else "not self.token.get_secret_value()"
    check = f"if {condition}: raise {raised!s}".replace("\n", "\\n")
    argv = ("--moody.level", "3") if when == "given" else ()
    with pytest.raises(SettingsError) as caught:
        loaded(installed, check, *argv, token="s3cr3t" if argv else "").backend("moody")
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"moody: the plugin failed to check its settings: {shown}")
    assert caught.value.exit_code == 2


def test_a_secret_in_what_a_check_raises_is_not_shown(installed: Distributions) -> None:
    check = "if self.level == 3: raise KeyError(self.token.get_secret_value())"
    with pytest.raises(SettingsError) as caught:
        loaded(installed, check, "--moody.level", "3")
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_model_that_cannot_be_built_leaves_its_plugin_out(installed: Distributions) -> None:
    source = PLUGIN.replace("level: int", "level: 'NoSuchType'").replace("{check}", "pass")
    installed.add("moody-vision", source, plugin="moody")
    (record,) = PluginHost(sources=installed.entry_points()).failures
    assert record.failure is not None
    assert record.failure.startswith("the settings of the camera 'moody' cannot be used: ")
    assert "\n" not in record.failure
