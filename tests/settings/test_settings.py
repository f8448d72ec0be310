"""A setting is declared once: every way to give it reads its help, its bounds and its default from there."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from command_line import sums_at_hand
from faulty_server import FaultyServer
from stepdown.cli import main
from stepdown.errors import UsageError
from stepdown.settings import FORM, PLANNING, RunSampling, RunSettings, arguments, check, in_words, options_of
from stepdown.store import Store
from stepdown.types import Sampling, fingerprint
from stepdown.web.config import Config, Served
from stepdown.web.jobs.run_form import offers, read_form
from stepdown.web.openai.requests import read_request

RUN = ("run", "sums.jsonl", "-n", "1", "--student", "openai/student", "--teacher", "openai/teacher")
EFFORTS = ("--reasoning-effort", "low", "--teacher-reasoning-effort", "high")
ASKED = {"model": "m", "messages": [{"role": "user", "content": "?"}], "reasoning_effort": "low"}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """An endpoint, and a working folder with a problem in it."""
    with sums_at_hand(tmp_path, monkeypatch, count=1) as started:
        yield started


def test_an_effort_reaches_the_endpoint_by_role_and_makes_another_run(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [main([*RUN, "--json"]), main([*RUN, *EFFORTS, "--json"])] == [0, 0]
    asked = [(body["model"], body.get("reasoning_effort")) for body in server.bodies]
    assert asked == [("teacher", None), ("student", None), ("teacher", "high"), ("student", "low")]
    plain, reasoned = (json.loads(line)["run"] for line in capsys.readouterr().out.splitlines())
    assert plain != reasoned


def test_no_effort_is_no_part_of_an_identity() -> None:
    assert b"reasoning" not in msgspec.json.encode(Sampling(seed=1))
    assert fingerprint(Sampling(0.5, reasoning_effort=None)) == fingerprint(Sampling(0.5))
    assert fingerprint(Sampling(0.5, reasoning_effort="low")) != fingerprint(Sampling(0.5))


def test_a_form_gives_an_effort_and_knows_no_other(tmp_path: Path) -> None:
    form = [("method", "direct"), ("student", "openai/gpt-5"), ("reasoning_effort", "low")]
    with Store(tmp_path / "s.sqlite") as store:
        offered = offers(store, Config())
        found, wrong = (read_form([*form, *more], offered) for more in ([], [("reasoning_effort", "most")]))
    assert found.settings and "--reasoning-effort=low" in found.settings.options
    assert list(wrong.errors) == ["reasoning_effort"] and "one of `minimal`" in wrong.errors["reasoning_effort"]


def test_a_served_model_and_a_request_give_an_effort() -> None:
    toml = 'method = "direct"\nstudent = "openai/gpt-5"\nreasoning_effort = "high"'
    served = msgspec.toml.decode(toml, type=Served).sampling()
    assert served.reasoning_effort == "high"
    assert read_request(json.dumps(ASKED).encode()).sampling(served).reasoning_effort == "low"


def test_an_effort_is_said_in_words() -> None:
    assert in_words(Sampling(reasoning_effort="low")).endswith("at most 1,024 tokens, reasoning effort low")


def test_settings_that_are_not_defaults_are_the_words_of_a_command() -> None:
    drawn = RunSampling(temperature=0.7, stop=("\n",), teacher_reasoning_effort="minimal")
    assert arguments(drawn) == ["--temperature=0.7", "--stop=\\n", "--teacher-reasoning-effort=minimal"]
    assert RunSettings(dataset="d").options == [] and PLANNING[-1] == "teacher_reasoning_effort"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (RunSampling(temperature=float("nan")), "`--temperature` cannot be `nan`"),
        (RunSampling(top_p=0.0), "a number above 0, up to 1"),
        (RunSampling(max_tokens=0), "a whole number, 1 or more"),
        (RunSampling(teacher_temperature=3.0), "a number from 0 to 2"),
    ],
)
def test_a_setting_beyond_its_bounds_is_refused_by_its_name(settings: RunSampling, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check(settings)


def test_a_number_that_is_too_large_is_told_the_largest_one() -> None:
    setting = options_of(RunSampling)["max_tokens"]
    with pytest.raises(UsageError) as refused:
        setting.check(10**12)
    assert refused.value.hint == "give at most 2,147,483,647"
    with pytest.raises(UsageError, match="is not at most 2,147,483,647"):
        setting.parse("1000000000000")


def test_every_setting_has_help_and_those_of_a_form_take_a_text_or_a_choice() -> None:
    assert all(one.help for one in options_of(RunSampling).values())
    assert {one.type for one in FORM.values()} == {int, float, str}
    assert all(one.choices for one in FORM.values() if one.type is str)
