"""Every command and every piece of code in the documentation, run in the order in which a reader meets it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.docs.page_run import PageRun
from tests.docs.pages import PageError, read_page
from tests.docs.sessions import PageSession, clean_environment

if TYPE_CHECKING:
    from rheed_acquire.server.process import LocalServer

ROOT = Path(__file__).parents[2]
# What an example's folder says to its reader stands on the page that shows the example.
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if "examples" not in path.relative_to(ROOT).parts
]
MOCK_GENTL = ROOT / "hardware_mocks" / "gentl_producer" / "python"
AT_ONCE = 2
"""A page waits more than it works."""

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the blocks are run by bash")


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    page_server: LocalServer,
    cti: Path | None,
) -> Iterator[dict[str, Future[None]]]:
    """Run the pages whose tests were asked for, the longest first; by name, how it went."""
    variables = clean_environment()
    if cti is not None:
        variables["MOCK_GENTL_CTI"] = str(cti)
    service = {
        "AS_API_ENDPOINT": page_server.endpoint,
        "AS_API_KEY": page_server.api_key.get_secret_value(),
    }
    asked = [
        str(item.callspec.params["name"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
    ]

    def runner(name: str) -> Callable[[], None]:
        folder = tmp_path_factory.mktemp("page")

        def run() -> None:
            page = read_page(name, ROOT / name)
            session = PageSession(folder, [MOCK_GENTL], variables, service)
            examples = session.folder / "docs" / "examples"
            shutil.copytree(
                ROOT / "docs" / "examples", examples, ignore=shutil.ignore_patterns("__pycache__")
            )
            try:
                PageRun(page, session).run()
            finally:
                session.end()

        return run

    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="page")
    asked.sort(key=lambda name: (ROOT / name).read_text(encoding="utf-8").count("```"), reverse=True)
    yield {name: pool.submit(runner(name)) for name in asked}
    pool.shutdown(cancel_futures=True)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", PAGES)
def test_every_block_of_the_page_does_what_the_page_says(
    name: str, outcomes: dict[str, Future[None]], cti: Path | None
) -> None:
    if cti is None and "rheed_mock_gentl" in (ROOT / name).read_text(encoding="utf-8"):
        pytest.skip("the mock GenTL producer cannot be built here: CMake or a C compiler is missing")
    try:
        outcomes[name].result()
    except PageError as error:
        pytest.fail(str(error), pytrace=False)
