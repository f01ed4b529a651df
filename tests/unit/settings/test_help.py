"""What is known before the settings are: plugins that shall not be loaded, and the help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rheed_acquire.host.plugins import PluginHost
from rheed_acquire.settings.catalogue import Catalogue
from rheed_acquire.settings.flags import asks_for, format_help
from rheed_acquire.settings.sources import find_disabled_plugins

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Sources


def test_disabled_plugins_are_found_before_the_host_exists(tmp_path: Path) -> None:
    def find(*argv: str, **environ: str) -> list[str]:
        return find_disabled_plugins(argv, environ, tmp_path)

    assert find("--basler.width", "3", "--unknown") == []
    (tmp_path / "rheed-acquire.toml").write_text('disable_plugins = ["file"]\n[basler]\nwidth = 3\n')
    assert find() == ["file"]
    (tmp_path / ".env").write_text("RHEED_DISABLE_PLUGINS=dotenv\n")
    assert find("--mycamera.level", "-3") == ["dotenv"]
    assert find(RHEED_DISABLE_PLUGINS="one, two") == ["one", "two"]
    argv = ("--disable-plugin", "a", "--mycamera.stamp", "--disable-plugin=b")
    assert find(*argv, RHEED_DISABLE_PLUGINS="one") == ["a", "b"]


def test_finding_disabled_plugins_leaves_mistakes_for_later(tmp_path: Path) -> None:
    for text in ("disable_plugins = 5", "disable_plugins = [5]", "= ?", "fps = 'x'"):
        (tmp_path / "rheed-acquire.toml").write_text(text)
        assert find_disabled_plugins([], {}, tmp_path) == []
    assert find_disabled_plugins(["--config", "none.toml", "--disable-plugin"], {}, tmp_path) == []


def test_help_lists_every_flag_within_the_width(host: PluginHost) -> None:
    text = format_help(host, width=80, usage="[COMMAND] [FLAGS]", epilog="Commands:\n  plugins")
    assert max(map(len, text.splitlines())) <= 80
    words = text.replace("[no-]", "").split()
    for setting in Catalogue(host).settings.values():
        shown = f"{setting.flag}.NAME=VALUE" if setting.is_mapping else setting.flag
        assert (shown in words) is not setting.is_secret
    assert "kind of camera: basler, needy, pattern, plain-one" in text
    assert "--basler.trigger {off,line,software}" in text
    assert "--basler.exposure-us US" in text
    assert "--pattern.images DIR" in text
    assert "(default: 0.01)" in text
    assert text.endswith("Commands:\n  plugins\n")


def test_help_and_version_are_recognised_anywhere(sources: Sources) -> None:
    assert asks_for(["--fps", "3", "-h"]) == "help"
    assert asks_for(["--version"]) == "version"
    assert asks_for(["--fps", "3"]) is None
    assert sources.load("--help", "--fps=3").run.fps == 3
