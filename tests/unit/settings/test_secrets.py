"""No secret is ever shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheed_acquire.errors import SettingsError
from rheed_acquire.settings.catalogue import MASK

if TYPE_CHECKING:
    from tests.unit.settings.conftest import Sources

SECRET = "s3cr3t-W0rd-of-the-l4b"


@pytest.mark.parametrize(
    "argv",
    [
        ["--api-key", SECRET],
        [f"--api-key={SECRET}"],
        [f"--api_key:{SECRET}"],
        [f"--api-key{SECRET}"],
        ["--API-KEY", f"--{SECRET}"],
        ["-api-key", SECRET],
        ["--as-api-key", SECRET],
        ["--apikey", SECRET],
        [f"AS_API_KEY={SECRET}"],
        ["api_key", SECRET],
        ["--pattern.token", SECRET],
        [f"--pattern.tokn={SECRET}"],
    ],
)
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(sources: Sources, argv: list[str]) -> None:
    problems = sources.problems(*argv, "--fps=0")
    assert "a secret does not belong on a command line" in problems[0]
    variable = "RHEED_PATTERN__TOKEN" if "pattern" in argv[0] else "AS_API_KEY"
    assert f"set {variable}" in problems[0]
    assert "--fps '0'" in problems[1]
    assert SECRET not in "\n".join(problems)


def test_no_unknown_flag_repeats_its_value(sources: Sources) -> None:
    for argv in (["--password", SECRET], [f"--passwd={SECRET}"], ["-p", SECRET], [f"-p:{SECRET}"]):
        assert SECRET not in "\n".join(sources.problems(*argv))


SECRETS = st.text(st.sampled_from("abcXYZ019-_ \u00e9"), min_size=12, max_size=20)


@settings(max_examples=60)
@given(
    SECRETS, st.sampled_from(["", "bad"]), st.sampled_from(["environment", "dotenv", "toml"]), st.booleans()
)
def test_secrets_are_in_no_message_no_repr_and_no_table(
    sources_in: Callable[..., Sources], secret: str, start: str, place: str, other_mistake: bool
) -> None:
    secret = f"{start}QQQ{secret}QQQ"
    variables = {"RHEED_API_KEY": secret, "RHEED_PATTERN__TOKEN": secret}
    all_places: dict[str, dict[str, Any]] = {
        "environment": {"environ": variables},
        "dotenv": {"dotenv": "".join(f"{name}='{value}'\n" for name, value in variables.items())},
        "toml": {"toml": f"api_key = {json.dumps(secret)}\npattern.token = {json.dumps(secret)}"},
    }
    argv = ["--fps=0"] if other_mistake else []
    with TemporaryDirectory() as directory:
        try:
            loaded = sources_in(directory).load(*argv, **all_places[place])
        except SettingsError as error:
            texts = [str(error), repr(error), repr(error.__context__)]
        else:
            backend = loaded.backend("pattern")
            texts = [repr(loaded), str(loaded.table()), repr(loaded.run), str(backend)]
            assert ("api_key", MASK) in {(key, value) for key, value, _ in loaded.table()}
    assert "QQQ" not in "".join(texts)


@pytest.mark.parametrize("key", ["two words", "smart\u2019quote", "line\nbreak"])
def test_a_key_that_cannot_go_into_a_header_is_refused_unseen(sources: Sources, key: str) -> None:
    assert sources.problems(environ={"AS_API_KEY": key}) == [
        (
            f"AS_API_KEY={MASK}: must be printable ASCII without spaces; was it copied whole? "
            "(environment variable)"
        )
    ]
    assert sources.problems(toml="api_key = 12345678") == [
        f"api_key = {MASK}: must be text (rheed-acquire.toml line 1)"
    ]


def test_a_syntax_error_does_not_show_the_line(sources: Sources) -> None:
    for toml in (f'api_key = "{SECRET}\nfps = 1', f"api_key = {SECRET}"):
        assert SECRET not in "".join(sources.problems(toml=toml))
    assert SECRET not in "".join(sources.problems(toml="", dotenv=f"RHEED_API_KEY: {SECRET}\n"))


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("https://me:{}@api.example", "must not hold a user name or password"),
        ("https://{}@api.example", "must not hold a user name or password"),
        ("https://me:{}/and@more@api.example", "must"),
        ("https://me:pass/{}@api.example", "must"),
        ("me:{}@api.example", "must be a base URL"),
        ("htps://me:{}@api.example", "must be a base URL"),
        ("https://me:{}@[api.example", "must be a base URL"),
        ("https://api.example/?token={}", "must be a base URL"),
        ("https://api.example/a?token=1&other={}", "must be a base URL"),
    ],
)
def test_what_may_be_secret_in_a_url_is_refused_unseen(sources: Sources, endpoint: str, said: str) -> None:
    secret = endpoint.format(SECRET)
    by_flag = sources.problems("--endpoint", secret)
    by_variable = sources.problems(environ={"AS_API_ENDPOINT": secret})
    for (problem,) in (by_flag, by_variable):
        assert said in problem
        assert SECRET not in problem
