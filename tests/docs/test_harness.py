"""What the pages are held to: each page here says something that is not so, or leaves something unsaid."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.docs.page_run import PageRun
from tests.docs.pages import PageError, parse_page
from tests.docs.sessions import PageSession, clean_environment

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the blocks are run by bash")

RunPage = Callable[[str], Path]


@pytest.fixture
def run_page(tmp_path: Path) -> Iterator[RunPage]:
    """Run a page; the folder in which it ran."""
    session = PageSession(tmp_path, [], clean_environment(), {})

    def run(text: str) -> Path:
        PageRun(parse_page("page.md", text), session).run()
        return session.folder

    yield run
    session.end()


def test_blocks_of_one_shell_and_one_namespace_run_in_order(run_page: RunPage) -> None:
    folder = run_page(
        "```sh\nmkdir -p a\ncd a\nwhere=here\n```\n"
        "```python\nfrom pathlib import Path\nn = 3\nPath('n').write_text(str(n))\n```\n"
        '```console\n$ test "$where" = here\n$ cat n\n3\n```\n'
        "```python\nPath('twice').write_text(str(2 * n))\n```\n"
    )
    assert (folder / "a" / "twice").read_text(encoding="utf-8") == "6"


def test_a_captioned_block_is_a_file_and_can_be_continued(run_page: RunPage) -> None:
    folder = run_page(
        "```{code-block} python\n:caption: pkg/one.py\nx = 1\n```\n"
        "```{code-block} python\n:caption: pkg/one.py (continued)\ny = 2\n```\n"
        "<!-- file: two.toml -->\n```toml\nz = 3\n```\n"
    )
    assert (folder / "pkg" / "one.py").read_text(encoding="utf-8") == "x = 1\n\n\ny = 2\n"
    assert (folder / "two.toml").read_text(encoding="utf-8") == "z = 3\n"


def test_a_stand_in_takes_the_place_of_what_the_reader_has(run_page: RunPage) -> None:
    folder = run_page("% stand-in: 40012345 => 0815\n\ntext\n\n```sh\necho 40012345 > serial\n```\n")
    assert (folder / "serial").read_text(encoding="utf-8") == "0815\n"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("```\nls\n```\n", "a block in 'no language' is neither run"),
        ("```powershell\nls\n```\n", "say `not run: REASON`"),
        ("% not run:\n```powershell\nls\n```\n", "it is not run; say why"),
        ("```text\n$ ls\n```\n", "commands are not text"),
        ("    indented code\n", "code is indented"),
        ("% not rum: because\n```sh\nls\n```\n", "not 'not rum'"),
        ("% not run: because\n\nSomething else.\n", "'not run' stands before no block"),
        ("```sh\nfalse\ntrue\n```\n", "it failed, with code 1"),
        ("```sh\nfalse | true\n```\n", "it failed, with code 1"),
        ("```sh\necho $nothing\n```\n", "unbound variable"),
        ("% exit code: 2\n```sh\nexit 3\n```\n", "it ended with 3, not 2"),
        ("% output: compared\n```console\n$ echo 1\n2\n```\n", "echo 1\n printed\n1"),
        ("```console\nls\n```\n", "no line begins with `$ `"),
        ("```python\nx = 1\n1 / 0\n```\n", 'page.md:2", line 3, in <module>'),
        ("```python\nimport warnings\nwarnings.warn('old')\n```\n", "UserWarning: old"),
        ("```json\n{\n```\n", "cannot be read"),
        ("% stand-in: a => b\n```sh\ntrue\n```\n", "stand-ins for what no command says: ['a']"),
        ("```{code-block} python\n:caption: one.py (continued)\n```\n", "continued and was not begun"),
        ("````{note}\n```sh\nfalse\n```\n````\n", "it failed, with code 1"),
    ],
)
def test_what_is_wrong_with_a_block_is_said(run_page: RunPage, page: str, expected: str) -> None:
    with pytest.raises(PageError) as raised:
        run_page(page)
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (
            "% not run: a\n```sh\nrheed-acquire --camera simulated --duraton 1\n```\n",
            "--duraton: no such flag",
        ),
        ("% not run: a\n```sh\nrheed-acquire --camera simulatd\n```\n", "no camera 'simulatd'"),
        ("% not run: a\n```sh\nrheed-acquire --fps fast\n```\n", "--fps 'fast'"),
        ("% not run: a\n```sh\nrheed-acquire serv\n```\n", "no command 'serv'"),
        ("% not run: a\n```sh\nrheed-acquire serve --prt 1\n```\n", "unrecognized arguments: --prt"),
        ("% not run: a\n```powershell\nrheed-acquire `\n  --fsp 1\n```\n", "--fsp: no such flag"),
        ("% not run: a\n```ini\n[Service]\nExecStart=/opt/bin/rheed-acquire --fsp 1\n```\n", "--fsp"),
        ("```toml\nfsp = 1\n```\n", "no such key"),
        ("Give `--basler.exposure 3`.\n", "--basler.exposure does not exist"),
        ("Set `RHEED_FSP`.\n", "RHEED_FSP does not exist"),
    ],
)
def test_what_the_command_does_not_have_is_found_where_nothing_is_run(
    run_page: RunPage, page: str, expected: str
) -> None:
    with pytest.raises(PageError) as raised:
        run_page(page)
    assert expected in str(raised.value)


def test_right_commands_that_are_not_run_are_accepted_and_do_nothing(run_page: RunPage) -> None:
    folder = run_page(
        "% not run: a\n```sh\n"
        "AS_API_KEY=... rheed-acquire --camera basler --basler.features.ReverseX=true > out.txt 2>&1\n"
        "rheed-acquire recover --export saved && rheed-acquire serve --port 8000\n"
        "rheed-acquire new-plugin mine --defaults\n"
        "rheed-acquire report growth-42 --region a=1x2+3+4  # a comment\n"
        "```\n"
        "Also `--no-view`, `--mycamera.anything`, `RHEED_MYCAMERA__X` and `pip --other`, `--other`.\n"
    )
    assert list(folder.iterdir()) == []
