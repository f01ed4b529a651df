"""What the blocks of one page run in: a folder, an environment, one bash and one Python for all of them.

The environment is a virtual one of the page's own, in which ``pip install`` works as a reader would have it:
it sees every package of the interpreter that runs the tests, and finds nothing on any network.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import sysconfig
import textwrap
import threading
import venv
from collections.abc import Mapping
from pathlib import Path

LIMIT_S = 300.0
"""After which a block that has not ended is a failure."""

_SCRUBBED = (
    "RHEED_",
    "AS_API_",
    "ATOMSCALE_",
    "PYLON_",
    "GENICAM_",
    "MOCK_GENTL_",
    "PIP_",
    "PYTEST_",
    "XDG_",
)
_MARK = "----- the block has ended -----"


class BlockError(Exception):
    """A block did not do what the page says."""


def clean_environment() -> dict[str, str]:
    """Copy this process's environment without what would change a run, or pip."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_SCRUBBED)}


class Session:
    """A process that is given blocks, one after another, and keeps what they leave behind."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            text=True,
            encoding="utf-8",
            errors="replace",
            # What a page starts in the background ends with it.
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="page-output")
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def ask(self, request: str) -> tuple[int, str, str]:
        """Send a request that ends with printing the mark; its exit code, what follows that, and its output.

        Raises
        ------
        BlockError
            The process has ended instead, or takes too long.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(request)
            self._process.stdin.flush()
        output: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=LIMIT_S)
            except queue.Empty:
                raise BlockError(f"it did not end within {LIMIT_S:g} s\n{''.join(output)}") from None
            if line is None:
                raise BlockError(f"it failed, with code {self._process.wait(LIMIT_S)}\n{''.join(output)}")
            before, mark, rest = line.partition(_MARK)
            output.append(before)
            if mark:
                code, _, more = rest.strip().partition(" ")
                return int(code), more, "".join(output)

    def end(self) -> None:
        """End the process and what it has left in the background."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


_WORKER = f"""
import json, os, sys, traceback
namespace = {{"__name__": "__main__"}}
for line in sys.stdin:
    job = json.loads(line)
    os.chdir(job["folder"])
    code = 0
    try:
        exec(compile(job["text"], job["name"], "exec"), namespace)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    print({_MARK!r}, code, flush=True)
"""


class PageSession:
    """Where one page runs.

    Parameters
    ----------
    folder
        Empty; the page's working folder and its home are made in it.
    paths
        Folders whose modules the page can import.
    variables
        Of the environment, to which those are added that every page has; see `clean_environment`.
    service
        Those that Python code of the page has besides: where it streams to, and with which key.
    """

    def __init__(
        self, folder: Path, paths: list[Path], variables: Mapping[str, str], service: Mapping[str, str]
    ) -> None:
        self.folder = self.here = folder / "work"
        home, site = folder / "home", folder / "environment"
        for made in (self.folder, home):
            made.mkdir()
        self._site(site, paths)
        self.python = str(site / _SCRIPTS / ("python.exe" if os.name == "nt" else "python"))
        self.environment = {
            **variables,
            "PATH": os.pathsep.join((str(site / _SCRIPTS), sysconfig.get_path("scripts"), variables["PATH"])),
            "HOME": str(home),
            "USERPROFILE": str(home),
            "PYTHONUTF8": "1",
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "COLUMNS": "100",
            "PIP_NO_INDEX": "1",
            # As pip reads it, 0 is "without isolation": build backends are those that are installed.
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_QUIET": "1",
            # Whoever asks the network all the same gets a refusal, and at once.
            "HTTP_PROXY": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        self._service = dict(service)
        self._bash: Session | None = None
        self._interpreter: Session | None = None
        self._blocks = 0

    def _site(self, site: Path, paths: list[Path]) -> None:
        venv.create(site, symlinks=os.name != "nt")
        packages = Path(sysconfig.get_path("purelib", vars={"base": str(site), "platbase": str(site)}))
        parent = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        lines = [f"import site; site.addsitedir({path!r})" for path in dict.fromkeys(parent)]
        lines += [str(path) for path in paths]
        (packages / "page.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
        if os.name != "nt":
            # Else those of the interpreter that runs the tests would be found, and pip install into it.
            for name, module in (("rheed-acquire", "rheed_acquire.cli"), ("pip", "pip._internal.cli.main")):
                command = site / _SCRIPTS / name
                command.write_text(
                    f"#!{site / _SCRIPTS / 'python'}\n"
                    f"import sys\n\nfrom {module} import main\n\nsys.exit(main())\n",
                    encoding="utf-8",
                )
                command.chmod(0o755)

    def run_shell(self, text: str, name: str, *, code: int = 0) -> str:
        """Run lines of bash where the last ones ended; what they printed.

        Raises
        ------
        BlockError
            They failed, or did not end with the code that is expected.
        """
        if self._bash is None:
            bash = shutil.which("bash")
            assert bash is not None
            self._bash = Session([bash, "--norc", "--noprofile"], self.folder, self.environment)
            self._bash.ask(f"set -euo pipefail\nprintf -- '{_MARK} 0\\n'\n")
        self._blocks += 1
        file = self.folder.parent / f"block-{self._blocks}.sh"
        file.write_text(text, encoding="utf-8", newline="\n")
        run = f". '{file.as_posix()}' </dev/null\n"
        if code:
            run = f"set +e\n( set -euo pipefail; . '{file.as_posix()}' </dev/null )\n"
        ended, here, output = self._bash.ask(
            f'{run}code=$?; set -euo pipefail; printf -- \'{_MARK} %d %s\\n\' "$code" "$PWD"\n'
        )
        if ended != code:
            raise BlockError(f"it ended with {ended}, not {code}\n{output}")
        self.here = Path(here)
        return output

    def run_python(self, text: str, name: str) -> None:
        """Run Python code in the page's namespace.

        Raises
        ------
        BlockError
            It failed; the message ends with the traceback.
        """
        if self._interpreter is None:
            command = [self.python, "-W", "error", "-c", textwrap.dedent(_WORKER)]
            self._interpreter = Session(command, self.folder, self.environment | self._service)
        job = json.dumps({"text": text, "name": name, "folder": str(self.here)})
        code, _, output = self._interpreter.ask(f"{job}\n")
        if code:
            raise BlockError(output)

    def ask_program(self, file: Path, question: object) -> object:
        """Run a program of the tests in the page's environment and folder, with JSON in and out."""
        done = subprocess.run(
            [self.python, str(file)],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=self.here,
            env=self.environment,
            timeout=LIMIT_S,
            check=False,
        )
        if done.returncode:
            raise BlockError(done.stderr)
        return json.loads(done.stdout)

    def end(self) -> None:
        """End both, and what they have started."""
        for session in (self._bash, self._interpreter):
            if session is not None:
                session.end()


_SCRIPTS = "Scripts" if os.name == "nt" else "bin"
