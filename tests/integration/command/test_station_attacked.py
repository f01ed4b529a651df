"""Whatever is said to a station's interface, and however often, the run that records does not know of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.integration.command.station_storm import Attacker, check_books
from tests.integration.command.test_station import LIMIT_S, SMALL, Recipe

from rheed_acquire.view.interface import PREFIX, Run

if TYPE_CHECKING:
    from tests.integration.command.conftest import Command


def test_a_run_loses_nothing_while_its_interface_is_attacked(command: Command) -> None:
    recipe = Recipe(command, command.start("view", *SMALL, "--simulated.stamp"))
    recipe.wait_for("preview")
    run = recipe.start(stream_name="in the storm")
    answers = Attacker(recipe.url.removesuffix(PREFIX), recipe.token).attack(a_second=500.0, seconds=2.0)
    assert {401, 403, 413, 421, 422} <= set(answers), answers
    deadline = time.monotonic() + LIMIT_S
    while (stopped := recipe.ask("POST", "/stop", {"run": run.run, "wait_s": 60})).status_code == 429:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert stopped.status_code == 200, stopped.text
    assert check_books(Run.model_validate(stopped.json()), answers) > 0
    assert recipe.end()[0] == 0
