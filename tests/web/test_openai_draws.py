"""Which answers of the endpoint are drawn anew and which the store has, and that a client is told."""

import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, OpenAI

from small_endpoint import NAME, endpoint
from stepdown.models import ScriptedModel
from stepdown.runner import Calls, Request, plain, run
from stepdown.runner.recorded import model_of_run
from stepdown.runner.request import FRESH
from stepdown.store import Store
from stepdown.types import Message, Sampling
from stepdown.web.config import Config, Served
from worlds import sums, teacher

ASKED: list[Any] = [{"role": "user", "content": "What is 4 plus one?"}]
STUDENT = "direct/openai/student"
CASCADE = Served(
    method="trace-of-thought", student="openai/student", teacher="openai/teacher", planner="openai/small", votes=3
)


def diverse() -> ScriptedModel:
    """A student that never says the same twice."""
    turns = count()
    return ScriptedModel(lambda messages, sampling, sample: f"Try {next(turns)}.", "openai/student")


def models() -> dict[str, ScriptedModel]:
    return {name: teacher(name) for name in ("openai/teacher", "openai/small")} | {"openai/student": diverse()}


def ask(client: OpenAI, model: str = STUDENT, **options: Any) -> tuple[list[str], str]:
    """Return the texts of an answer and what its head says it is."""
    raw = client.chat.completions.with_raw_response.create(model=model, messages=ASKED, **options)
    return [choice.message.content or "" for choice in raw.parse().choices], raw.headers["x-stepdown-answer"]


@pytest.mark.parametrize("model", [STUDENT, NAME])
def test_a_call_at_a_temperature_without_a_seed_is_a_new_draw_each_time(tmp_path: Path, model: str) -> None:
    players = models()
    with endpoint(tmp_path, players) as served, served.client() as client:
        found = [ask(client, model, temperature=0.7) for _ in range(5)]
    assert len({texts[0] for texts, _ in found}) == 5 and {said for _, said in found} == {"drawn"}
    assert len(players["openai/teacher"].calls) == (model == NAME)


@pytest.mark.parametrize("options", [{}, {"temperature": 0}, {"temperature": 0.7, "seed": 3}])
def test_a_greedy_or_seeded_call_is_answered_by_the_store(tmp_path: Path, options: dict[str, Any]) -> None:
    with endpoint(tmp_path, models()) as served, served.client() as client:
        found = [ask(client, **options) for _ in range(3)]
    assert found == [(["Try 0."], "drawn"), (["Try 0."], "stored"), (["Try 0."], "stored")]


def test_what_a_name_is_served_at_counts_where_the_request_says_nothing(tmp_path: Path) -> None:
    config = Config(models={"warm": Served(method="direct", student="openai/student", temperature=0.7)})
    with endpoint(tmp_path, models(), config=config) as served, served.client() as client:
        assert [ask(client, "warm")[0] for _ in range(2)] == [["Try 0."], ["Try 1."]]
        assert [ask(client, "warm", temperature=0)[1] for _ in range(2)] == ["drawn", "stored"]


@pytest.mark.parametrize("way", ["extra_body", "extra_headers"])
def test_a_request_may_ask_for_what_the_store_has(tmp_path: Path, way: str) -> None:
    name = "stepdown_answer" if way == "extra_body" else "X-Stepdown-Answer"
    stored: dict[str, Any] = {way: {name: "stored"}}
    with endpoint(tmp_path, models()) as served, served.client() as client:
        assert [ask(client, temperature=0.7)[0] for _ in range(2)] == [["Try 0."], ["Try 1."]]
        assert [ask(client, temperature=0.7, **stored) for _ in range(2)] == [(["Try 0."], "stored")] * 2


@pytest.mark.parametrize("options", [{}, {"temperature": 0.7, "seed": 3}])
def test_a_request_may_ask_for_a_new_draw_of_what_is_greedy_or_seeded(tmp_path: Path, options: dict[str, Any]) -> None:
    players = models()
    with endpoint(tmp_path, players) as served, served.client() as client:
        found = [ask(client, **options, extra_body={"stepdown_answer": "drawn"}) for _ in range(3)]
    assert [texts for texts, _ in found] == [["Try 0."], ["Try 1."], ["Try 2."]]
    assert {call.sampling.seed for call in players["openai/student"].calls} == {options.get("seed")}


@pytest.mark.parametrize(
    "wish",
    [
        {"extra_body": {"stepdown_answer": "new"}},
        {"extra_headers": {"x-stepdown-answer": "new"}},
        {"extra_body": {"stepdown_answer": "drawn"}, "extra_headers": {"x-stepdown-answer": "stored"}},
    ],
)
def test_a_wish_that_is_none_is_refused(tmp_path: Path, wish: dict[str, Any]) -> None:
    with endpoint(tmp_path, models()) as served, served.client() as client, pytest.raises(BadRequestError) as caught:
        ask(client, **wish)
    assert caught.value.param == "stepdown_answer"


def test_equal_calls_at_once_are_draws_of_their_own(tmp_path: Path) -> None:
    async def ask_all(url: str) -> set[str | None]:
        async with AsyncOpenAI(base_url=url, api_key="none") as client:
            asked = [client.chat.completions.create(model=STUDENT, messages=ASKED, temperature=1, n=2) for _ in "abcd"]
            return {choice.message.content for found in await asyncio.gather(*asked) for choice in found.choices}

    with endpoint(tmp_path, models()) as served:
        assert len(plain(ask_all(served.url))) == 8


def test_a_stream_is_a_new_draw_too_and_says_so_in_its_head(tmp_path: Path) -> None:
    options: dict[str, Any] = {"model": NAME, "messages": ASKED, "stream": True}
    with endpoint(tmp_path, models()) as served, served.client() as client:
        heads, texts = [], []
        for temperature in (0.7, 0.7, 0, 0):
            create = client.chat.completions.with_streaming_response.create
            with create(temperature=temperature, **options) as reply:
                heads.append(reply.headers["x-stepdown-answer"])
                texts.append(reply.read())
    assert heads == ["drawn", "drawn", "drawn", "stored"]
    assert [b'%d."' % number in text for number, text in enumerate(texts[:3])] == [True] * 3


def test_a_cascades_votes_are_drawn_anew_unless_it_is_asked_for_greedily(tmp_path: Path) -> None:
    players = models()
    with endpoint(tmp_path, players, config=Config(models={"careful": CASCADE})) as served, served.client() as client:
        said = [ask(client, "careful")[1] for _ in range(2)]
        drawn = len(players["openai/student"].calls)
        said += [ask(client, "careful", temperature=0)[1] for _ in range(2)]
    assert said == ["drawn", "drawn", "stored", "stored"] and len(players["openai/student"].calls) == drawn


def test_new_draws_leave_a_runs_own_draws_as_they_are(tmp_path: Path) -> None:
    def three(store: Store) -> list[str | None]:
        warm = Sampling(temperature=0.7, max_tokens=99)
        made = run(sums(5), "direct", student=players["openai/student"], sampling=warm, samples=3, store=store)
        return [trace.solution for trace in made.traces()][-3:]

    players = models()
    config = Config(models={"sums": Served(method="direct", student="openai/student", max_tokens=99)})
    with endpoint(tmp_path, players, config=config) as served, served.client() as client, served.store() as store:
        first = ask(client, "sums", temperature=0.7)[0]
        before = three(store)
        served_texts = [ask(client, "sums", temperature=0.7, n=3)[0] for _ in range(2)]
        sent = len(players["openai/student"].calls)
        assert three(store) == before and len(players["openai/student"].calls) == sent
    assert before[0] == first[0] and not {*before} & {*served_texts[0], *served_texts[1]}


def test_a_new_draw_is_stored_and_paid_for_once(tmp_path: Path) -> None:
    with endpoint(tmp_path, models()) as served, served.client() as client:
        for _ in range(3):
            ask(client, temperature=0.7, n=2)
        places = [place for (place,) in served.state.store.db.execute("select sample from calls")]
    assert len(places) == 6 and sorted(place % FRESH for place in places) == [0, 0, 0, 1, 1, 1]
    assert sum(place < FRESH for place in places) == 2


def test_a_new_draw_that_another_process_overtakes_is_kept_beside_it(tmp_path: Path) -> None:
    async def both() -> list[str]:
        with Store(tmp_path / "s.sqlite") as one, Store(tmp_path / "s.sqlite") as other:
            asked, student, warm = (Message("user", "Try."),), diverse(), Sampling(temperature=1.0)
            sides = [Calls(store) for store in (one, other)]
            asking = [side.ask(Request("student", student, asked, warm, run="r", fresh=True)) for side in sides]
            found = await asyncio.gather(*asking)
            assert len(one.replies([key for key, _ in found])) == 2
            return [call.reply.text for _, call in found]

    assert sorted(plain(both())) == ["Try 0.", "Try 1."]


def test_a_recorded_model_has_no_new_draws_and_does_not_claim_any(tmp_path: Path) -> None:
    with Store(tmp_path / "other.sqlite") as store:
        made = run(sums(5), "direct", student=diverse(), store=store)
        recorded = model_of_run(made)
    config = Config(models={"then": Served(method="direct", student=recorded.name)})
    with endpoint(tmp_path, {recorded.name: recorded}, config=config) as served, served.client() as client:
        wish = {"stepdown_answer": "drawn"}
        assert [ask(client, "then", extra_body=wish) for _ in range(2)] == [(["Try 4."], "stored")] * 2
