"""What is known before the settings are: plugins that shall not be loaded, and the help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rheed_acquire.commands.overview import commands
from rheed_acquire.errors import SettingsError
from rheed_acquire.host.plugins import PluginHost
from rheed_acquire.settings.catalogue import Catalogue
from rheed_acquire.settings.flags import asks_for, help_topic
from rheed_acquire.settings.help import format_help
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


def test_all_the_help_lists_every_flag_within_the_width(host: PluginHost) -> None:
    text = format_help(host, width=80, usage="[COMMAND] [FLAGS]", last="Commands:\n  plugins", topic="all")
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


def test_every_topic_that_the_first_screen_names_can_be_asked_for_and_together_they_are_all(
    host: PluginHost,
) -> None:
    first = format_help(host, width=100)
    names = first.replace("\n", " ").rpartition("with one of ")[2].rstrip(". ").split(", ")
    told = "".join(format_help(host, width=100, topic=name) for name in names).replace("[no-]", "")
    for setting in Catalogue(host).settings.values():
        assert (setting.flag in told) is not setting.is_secret


def test_a_commands_own_headings_are_its_first_screen(host: PluginHost) -> None:
    text = format_help(host, width=80, headings=("delivery", "pattern"))
    assert "--spool-limit GB" in text
    assert "--pattern.images DIR" in text
    assert "--camera NAME" not in text


def test_the_first_screen_is_no_longer_than_a_terminal() -> None:
    text = format_help(PluginHost(), width=80, usage="[FLAGS]", description="What it is.", first=commands())
    assert len(text.splitlines()) <= 40
    assert max(map(len, text.splitlines())) <= 80


def test_a_topic_that_is_none_is_refused_by_name(host: PluginHost) -> None:
    with pytest.raises(SettingsError, match=r"--help 'baseler': .* did you mean basler\?"):
        format_help(host, topic="baseler")
    with pytest.raises(SettingsError, match=r"there are all, camera, stream, run"):
        format_help(host, topic="xyz")


def test_help_its_topic_and_version_are_recognised_anywhere(sources: Sources) -> None:
    assert asks_for(["--fps", "3", "-h"]) == "help"
    assert asks_for(["--version"]) == "version"
    assert asks_for(["--fps", "3"]) is None
    assert help_topic(["--fps", "3", "-h"]) is None
    assert help_topic(["--fps", "3", "-h", "basler"]) == "basler"
    assert help_topic(["--help", "--fps", "3"]) is None
    assert sources.load("--help", "--fps=3").run.fps == 3
