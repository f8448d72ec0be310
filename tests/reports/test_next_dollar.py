"""Where the next dollar goes: which noise there is, and what more draws or more problems would do to it."""

import asyncio
import math
from collections.abc import Sequence
from random import Random

import msgspec
import pytest

from cascade_runs import planned
from stepdown import grade
from stepdown.methods import METHODS
from stepdown.models import ScriptedModel
from stepdown.reports import next_dollars, report
from stepdown.runner import StoppingRule, Task, UntilDecided, run_tasks, run_together
from stepdown.stats import paired_noise
from stepdown.store import Run, Store
from stepdown.types import GREEDY, Grade, Problem
from valued_plans import alone, with_plans
from worlds import LastWord, student, sums


def drawn(store: Store, rows: Sequence[Sequence[int]], planner: str) -> Run:
    """A run whose draws are right where a row has 1."""
    return planned(store, [[str(n) if right else "-1" for right in row] for n, row in enumerate(rows)], planner)


def coins(chances: Sequence[float], draws: int, seed: int) -> list[list[int]]:
    random = Random(seed)
    return [[int(random.random() < chance) for _ in range(draws)] for chance in chances]


def test_draws_that_vary_around_equal_chances_are_all_prediction_noise() -> None:
    noise = paired_noise(coins([0.5] * 400, 4, 1), coins([0.5] * 400, 4, 2))
    assert noise and noise.prediction == pytest.approx(noise.total, rel=0.2)
    assert noise.prediction == pytest.approx(2 * 0.25 / 4, rel=0.1)


def test_problems_that_differ_are_data_noise_and_no_number_of_draws_helps() -> None:
    noise = paired_noise([[1] * 3, [0] * 3] * 50, [[0] * 3, [0] * 3] * 50)
    assert noise and noise.prediction == 0 and noise.data == noise.total
    assert noise.more_draws(0.01, 10_000) is None and noise.more_problems(0.05) > 200


def test_as_many_more_problems_as_are_named_bring_the_interval_down() -> None:
    noise = paired_noise(coins([0.7] * 100, 2, 3), coins([0.4] * 100, 2, 4))
    assert noise
    more = msgspec.structs.replace(noise, pairs=noise.pairs + noise.more_problems(0.03))
    assert more.half_width() <= 0.03 < msgspec.structs.replace(more, pairs=more.pairs - 1).half_width()


def test_a_single_draw_cannot_say_what_the_draws_do_unless_it_is_greedy() -> None:
    singles = coins([0.5] * 20, 1, 5), coins([0.5] * 20, 1, 6)
    noise, greedy = paired_noise(*singles), paired_noise(*singles, greedy=(True, True))
    assert noise and noise.prediction is None and noise.more_draws(0.1, 10_000) is None
    assert greedy and greedy.prediction == 0.0


def test_problems_of_which_some_draws_failed_are_split_too() -> None:
    new = [draws[: 1 + n % 4] for n, draws in enumerate(coins([0.5] * 4000, 4, 9))]
    noise = paired_noise(new, coins([0.5] * 4000, 4, 10))
    assert noise and min(map(len, new)) == 1
    assert noise.prediction == pytest.approx(0.25 * (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4 + 0.25 / 4, rel=0.03)
    assert noise.prediction == pytest.approx(noise.total, rel=0.05)


def test_where_few_problems_have_several_draws_nothing_is_said_of_draws() -> None:
    new = [draws[: 1 if n % 3 else 4] for n, draws in enumerate(coins([0.5] * 60, 4, 11))]
    noise = paired_noise(new, coins([0.5] * 60, 4, 12))
    assert noise and noise.prediction is None


def test_more_draws_are_added_to_each_side_whatever_it_has() -> None:
    noise = paired_noise(coins([0.5] * 4000, 10, 13), coins([0.5] * 4000, 2, 14))
    assert noise and noise.data is not None
    wanted = 1.96 * math.sqrt((noise.data + 0.25 / 16 + 0.25 / 8) / 4000)
    assert noise.half_width() > wanted and noise.more_draws(wanted, 10_000) in (5, 6, 7)


def test_plans_that_differ_are_prediction_noise_which_more_solutions_by_them_leave() -> None:
    right = iter(coins([0.5] * 8000, 1, 15))  # whether a plan helps: then all its solutions are right
    plans = [[next(right) * 4, next(right) * 4] for _ in range(4000)]
    flat, other = [[one for row in rows for one in row] for rows in plans], [[0, 0]] * 4000
    noise = paired_noise(flat, other, greedy=(False, True), by_plan=(plans, None))
    assert noise and noise.prediction == pytest.approx(noise.total, rel=0.1) == pytest.approx(0.25 / 2, rel=0.1)
    assert noise.sides and noise.sides[0].with_more(10_000) == pytest.approx(noise.prediction)
    assert noise.more_draws(0.9 * noise.half_width(), 10_000) is None


def test_a_report_splits_the_draws_of_a_run_with_several_plans_by_plan(store: Store) -> None:
    by_plans = with_plans(store, *[[("one", "rrrr"), ("other", "wwww")], [("one", "wwww"), ("other", "wwww")]] * 20)
    plain = alone(store, *["wrrw"] * 40)
    [one] = next_dollars([plain, by_plans], report(plain, by_plans, baseline=plain).rows, 0.03)
    assert one.by_draws and one.by_draws > 0.9 and one.draws is None
    assert one.advice == f"{one.problems} more problems: no number of draws is enough"


def test_a_method_that_draws_also_where_its_run_is_greedy_is_not_greedy(store: Store) -> None:
    tasks = [Task(problems=sums(12), method=METHODS[name], student=student(), grader=LastWord())
             for name in ("direct", "best-of-n")]  # fmt: skip
    runs = [outcome.run for outcome in run_tasks(tasks, store)]
    assert not any(run.settings.sampling.temperature for run in runs)
    [one] = next_dollars(runs, report(*runs, baseline=runs[0]).rows, 0.05)
    assert one.by_draws is None and "greedy" not in one.advice
    assert one.advice == f"{one.problems} more problems: at temperature 0 `run` solves each once"


def test_more_draws_are_whole_turns_of_the_plans_as_run_takes_no_others(store: Store) -> None:
    pairs = zip(coins([0.5] * 60, 3, 16), coins([0.5] * 60, 3, 17), strict=True)
    by_plans = with_plans(store, *[[(f"{n}", "wr"[a] + "wr"[b]) for n, (a, b) in enumerate(zip(*one, strict=True))]
                                   for one in pairs])  # fmt: skip
    plain = alone(store, *["wrrwwr"] * 60)
    rows = report(plain, by_plans, baseline=plain).rows
    wanted = [next_dollars([plain, by_plans], rows, points / 1000)[0].draws for points in range(55, 75)]
    assert len({*wanted}) > 1 and all(draws is not None and draws % 3 == 0 for draws in wanted)


def test_one_draw_of_each_plan_asks_for_two_draws_of_each(store: Store) -> None:
    by_plans = with_plans(store, *[[(plan, right) for plan, right in zip("abcdefg", "rwrwwrr", strict=True)]] * 20)
    plain = alone(store, *["wrrwwrw", "wrrwrrw"] * 10)
    [one] = next_dollars([plain, by_plans], report(plain, by_plans, baseline=plain).rows, 0.01)
    assert one.by_draws is None
    assert one.advice == "one draw a plan cannot say what the draws do: run again with --samples 14"


def test_runs_that_are_alike_on_few_problems_are_not_known_precisely(store: Store) -> None:
    runs = [alone(store, *["w", "r"] * 10, student=name, sampling=GREEDY) for name in ("s", "t")]
    [one] = next_dollars(runs, (made := report(*runs, baseline=runs[0])).rows, 0.02)
    assert one.half == pytest.approx(made.rows[1].difference_high, abs=1e-4) and one.half > 0.15
    assert one.problems == math.ceil(1.96**2 * 49) - 20 and "more problems" in one.advice


def test_draws_that_differ_are_not_greedy_whatever_the_run_says_of_its_temperature(store: Store) -> None:
    runs = [alone(store, *rows, student=name, sampling=GREEDY)
            for name, rows in (("s", ["wrrw", "rrrr"] * 10), ("t", ["wwrw", "rrwr"] * 5 + ["rwwr"] * 10))]  # fmt: skip
    [one] = next_dollars(runs, report(*runs, baseline=runs[0]).rows, 0.02)
    assert one.by_draws and one.by_draws > 0.5 and "greedy" not in one.advice


def test_a_report_says_what_it_takes_in_draws_and_problems(store: Store) -> None:
    first = drawn(store, coins([0.5] * 40, 4, 7), "openai/small")
    second = drawn(store, coins([0.6] * 40, 4, 8), "openai/large")
    made = report(first, second, baseline=first)
    [one] = next_dollars([first, second], made.rows, 0.05)
    assert one.half > 0.05 and one.problems > 0 and one.draws and "more" in one.advice
    text = msgspec.structs.replace(made, next_dollars=(one,)).to_text(200)
    assert "Where the next dollar goes" in text and one.advice in text


class Never:
    """A grader to which everything is wrong."""

    name, version = "never@1", "1"

    async def __call__(self, problem: Problem, solution: str) -> Grade:
        return Grade("wrong", None, "", self.name)


def test_the_verdicts_of_the_grader_that_is_reported_are_counted(store: Store) -> None:
    runs = [drawn(store, coins([0.5] * 10, 4, seed), f"openai/{seed}") for seed in (7, 8)]
    graded = [grade(run, Never(), store=store) for run in runs]
    found = {
        name: next_dollars(graded, report(*graded, baseline=graded[0], grader=name).rows, 0.05, grader=name)[0].half
        for name in ("never", "default")
    }
    assert found["never"] == pytest.approx(1.96**2 / (10 + 1.96**2), abs=1e-4) != found["default"]


def test_a_difference_of_a_run_that_was_stopped_is_told_as_such(store: Store) -> None:
    tasks = [Task(problems=sums(60), method=METHODS["direct"], student=one, grader=LastWord())
             for one in (student(), ScriptedModel(lambda *asked: "Answer: -1", "wrong"))]  # fmt: skip
    until = UntilDecided(StoppingRule(margin=0.3), 2)
    runs = [outcome.run for outcome in asyncio.run(run_together(tasks, store, until=until))]
    made = report(*runs, baseline=runs[0])
    found = next_dollars(runs, made.rows, 0.02)
    assert made.rows[1].stopped and found[0].stopped
    assert "as if its problems" in msgspec.structs.replace(made, next_dollars=found).to_text(200)
