"""``rheed-acquire serve``, and what becomes of the key."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
import trustme
from cryptography.hazmat.primitives import serialization
from tests.integration.command.conftest import silent_after
from tests.integration.server.test_door import hear

from rheed_acquire import RHEEDStreamer

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command

SECRET = "s3cr3t-W0rd-of-the-l4b"


def addressed(process: subprocess.Popen[str], lines: int) -> dict[str, str]:
    """Read what ``serve`` prints for its clients."""
    assert process.stdout is not None
    printed = [process.stdout.readline().rstrip("\n").partition("=") for _ in range(lines)]
    return {name: value for name, _, value in printed}


def test_a_streamer_with_what_serve_prints_streams_into_it(
    command: Command, read_stamps: Callable[[Path], list[int]]
) -> None:
    process = command.start("serve", "--dir", "kept")
    client = addressed(process, 2)
    assert list(client) == ["AS_API_ENDPOINT", "AS_API_KEY"]
    frames = np.zeros((8, 4, 8), np.uint8)
    frames[:, 0, 0] = np.arange(8)
    streamer = RHEEDStreamer(client["AS_API_KEY"], client["AS_API_ENDPOINT"])
    data_id = streamer.initialize(fps=4.0, rotations_per_min=0.0, chunk_size=8)
    streamer.push(data_id, 0, frames)
    assert streamer.finalize(data_id)["chunks_uploaded"] == 1
    streamer.close()
    command.interrupt(process)
    done = command.finish(process)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"Serving; runs are kept in {command.folder / 'kept'}. Ctrl-C ends.\n"
    (recording,) = command.folder.glob("kept/*/frames.zarr")
    assert read_stamps(recording) == list(range(8))


def test_what_serve_prints_is_a_dotenv_file_that_a_run_takes(command: Command) -> None:
    process = command.start("serve", "--dir", "kept")
    client = addressed(process, 2)
    command.write(".env", "".join(f"{name}={value}\n" for name, value in client.items()))
    report = command.report("--camera", "thirdparty", "--frames", "120")
    assert report["chunks_uploaded"] == 2
    assert report["output"] is None, "only the server knows where it keeps the run"
    command.interrupt(process)
    assert command.finish(process).returncode == 0
    assert len(list(command.folder.glob("kept/*/frames.zarr"))) == 1


def test_the_api_key_appears_nowhere(command: Command) -> None:
    process = command.start("serve", "--dir", "kept", AS_API_KEY=SECRET)
    client = addressed(process, 1)
    assert list(client) == ["AS_API_ENDPOINT"], "a key that the user has is not printed"
    endpoint = client["AS_API_ENDPOINT"]
    flags = ("--endpoint", endpoint, "--verbosity", "4", "--log-file", "run.log", "--tag", "growth")
    camera = silent_after(110)
    run = command.start(*camera, *flags, AS_API_KEY=SECRET)
    command.wait_for("paused")
    if sys.platform != "win32":
        listed = subprocess.run(
            ["ps", "-A", "-ww", "-o", "args"], capture_output=True, text=True, check=True
        ).stdout
        assert f"--endpoint {endpoint}" in listed
        assert SECRET not in listed
    command.interrupt(run)
    outputs = [command.finish(run)]
    assert outputs[0].returncode == 0, outputs[0].stderr
    outputs += [
        command("config", *flags, AS_API_KEY=SECRET),
        command(*camera, *flags, "--endpoint", "http://127.0.0.1:9", AS_API_KEY=SECRET),
        command(*camera, "--fps", "fast", AS_API_KEY=SECRET),
    ]
    command.interrupt(process)
    outputs.append(command.finish(process))
    for done in outputs:
        assert SECRET not in done.stdout + done.stderr
    files = [path for path in command.folder.rglob("*") if path.is_file()]
    assert command.folder / "run.log" in files
    assert any("frames.zarr" in path.parts for path in files)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert "uploaded" in (command.folder / "run.log").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="reads the processes' memory of their start from /proc")
def test_the_key_is_not_handed_on_to_the_local_server_of_a_run(command: Command) -> None:
    """The command's own key has no business in the server that a run without one starts."""
    run = command.start(*silent_after(20))
    command.wait_for("paused")
    server = Path("/proc", str(command.child(run, "rheed_acquire.server")))
    assert not any(b"API_KEY" in (server / told).read_bytes() for told in ("cmdline", "environ"))
    command.interrupt(run)
    assert command.finish(run).returncode == 0


@pytest.fixture
def certificates(command: Command) -> trustme.CA:
    """Files in the command's folder: a certificate for this computer, its key, another key, and rubbish."""
    authority = trustme.CA()
    for name in ("mine", "other"):
        made = authority.issue_cert("localhost", "127.0.0.1")
        made.private_key_pem.write_to_path(command.folder / f"{name}.key")
        made.cert_chain_pems[0].write_to_path(command.folder / f"{name}.pem")
    key = serialization.load_pem_private_key((command.folder / "mine.key").read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"phrase"),
    )
    (command.folder / "locked.key").write_bytes(locked)
    command.write("rubbish.pem", "-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n")
    command.write("empty.pem", "")
    authority.cert_pem.write_to_path(command.folder / "authority.pem")
    return authority


def test_with_a_certificate_it_speaks_https_and_urls_are_https(
    command: Command, certificates: trustme.CA
) -> None:
    process = command.start("serve", "--dir", "kept", "--tls-cert", "mine.pem", "--tls-key", "mine.key")
    client = addressed(process, 2)
    endpoint = client["AS_API_ENDPOINT"]
    assert endpoint.startswith("https://127.0.0.1:")
    with requests.Session() as session:
        session.headers["X-API-KEY"] = client["AS_API_KEY"]
        session.trust_env = False  # else the environment chooses the authorities
        session.verify = str(command.folder / "authority.pem")
        for _ in range(3):
            assert session.get(f"{endpoint}/tags/", timeout=20).json() == []
        body = {
            "data_item_name": "x",
            "rotational_period": None,
            "rotations_per_min": 0,
            "fps_capture_rate": 2,
        }
        data_id = session.post(f"{endpoint}/rheed/stream/", json=body, timeout=20).json()
        assert session.post(f"{endpoint}/rheed/stream/{data_id}/end", timeout=20).status_code == 200
        refused = session.put(f"{endpoint}/uploads/x", data=b"x" * 5_000_000, timeout=20)
        assert refused.status_code == 403
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{endpoint}/gateway/time", timeout=20)
        plain = requests.get(endpoint.replace("https", "http") + "/gateway/time", timeout=20)
        assert (plain.status_code, "TLS" in plain.json()["detail"]) == (400, True)
    command.interrupt(process)
    done = command.finish(process)
    assert (done.returncode, "cleartext" in done.stderr) == (0, False)


@pytest.mark.parametrize("body_bytes", [0, 1_000_000])
def test_who_speaks_http_to_tls_is_told_so_whatever_they_send(
    command: Command, certificates: trustme.CA, body_bytes: int
) -> None:
    process = command.start("serve", "--tls-cert", "mine.pem", "--tls-key", "mine.key")
    host, _, port = addressed(process, 2)["AS_API_ENDPOINT"].removeprefix("https://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"PUT /uploads/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % body_bytes)
        client.sendall(bytes(body_bytes))
        heard = hear(client)  # to its end: a connection that is reset may lose the answer
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert b"this server speaks TLS" in heard
    command.interrupt(process)
    assert command.finish(process).returncode == 0


def test_clients_that_do_not_shake_hands_keep_nobody_from_being_served(
    command: Command, certificates: trustme.CA
) -> None:
    process = command.start("serve", "--tls-cert", "mine.pem", "--tls-key", "mine.key")
    endpoint = addressed(process, 2)["AS_API_ENDPOINT"]
    port = int(endpoint.rpartition(":")[2])
    with ExitStack() as opened:
        for said in (b"", b"\x16\x03\x01\x02\x00\x01", b"\0" * 99):
            for _ in range(40):
                silent = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
                silent.sendall(said)
        authority = str(command.folder / "authority.pem")
        assert requests.get(f"{endpoint}/gateway/time", timeout=20, verify=authority).status_code == 200
    command.interrupt(process)
    assert command.finish(process).returncode == 0


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--tls-cert", "mine.pem"), "--tls-cert needs --tls-key beside it"),
        (("--tls-key", "mine.key"), "--tls-key needs --tls-cert beside it"),
        (("--tls-cert", "none.pem", "--tls-key", "mine.key"), "none.pem (--tls-cert) cannot be read"),
        (("--tls-cert", "mine.pem", "--tls-key", "none.key"), "none.key (--tls-key) cannot be read"),
        (("--tls-cert", ".", "--tls-key", "mine.key"), "(--tls-cert) cannot be read"),
        (("--tls-cert", "empty.pem", "--tls-key", "mine.key"), "empty.pem (--tls-cert) is not a PEM file"),
        (("--tls-cert", "mine.pem", "--tls-key", "mine.pem"), "mine.pem (--tls-key) is not a PEM file"),
        (("--tls-cert", "mine.pem", "--tls-key", "other.key"), "other.key (--tls-key) is not that of"),
        (("--tls-cert", "mine.pem", "--tls-key", "locked.key"), "locked.key (--tls-key) has a passphrase"),
        (("--tls-cert", "rubbish.pem", "--tls-key", "mine.key"), "rubbish.pem (--tls-cert)"),
    ],
)
def test_certificate_files_that_cannot_be_used_are_one_clear_error(
    command: Command, certificates: trustme.CA, flags: tuple[str, ...], expected: str
) -> None:
    assert expected in command.error("serve", *flags)


@pytest.mark.parametrize(
    "key", ["x", "short", "a" * 40, "ab" * 20, "with a space in the key", "schlüssel-schlüssel"]
)
def test_a_key_that_can_be_guessed_or_not_be_sent_is_refused_without_being_shown(
    command: Command, key: str
) -> None:
    said = command.error("serve", AS_API_KEY=key)
    assert "AS_API_KEY" in said
    assert "token_urlsafe" in said
    assert len(key) < 6 or key not in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_on_all_interfaces_it_names_urls_that_others_can_use_and_says_that_they_are_cleartext(
    command: Command, host: str
) -> None:
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("this computer has no IPv6")
    process = command.start("serve", "--host", host)
    client = addressed(process, 2)
    endpoint = client["AS_API_ENDPOINT"]
    name = urlsplit(endpoint).hostname
    assert name not in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::")
    assert requests.get(f"{endpoint}/gateway/time", timeout=20).status_code == 200
    command.interrupt(process)
    done = command.finish(process)
    assert "cleartext" in done.stderr
    assert "--tls-cert" in done.stderr
    assert "http://" in done.stderr, "the other URLs"
