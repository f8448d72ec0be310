"""The simulation of a run: turns, workers and draws as a real run has them, on a clock that jumps."""

import random

import pytest

from stepdown.runner.simulation import ProblemShape, SimulatedCaller, simulate

ONE: ProblemShape = (((0, 1),),)


def caller(width: int, *, widest: int = 0, servers: int = 1, model: str = "m") -> SimulatedCaller:
    return SimulatedCaller(model, lambda chance, draws: 1.0, width, widest or width, servers)


@pytest.mark.parametrize(("width", "servers", "seconds"), [(1, 1, 12), (4, 1, 3), (2, 3, 2), (12, 1, 1)])
def test_requests_wait_for_a_turn_at_a_server(width: int, servers: int, seconds: int) -> None:
    assert simulate({ONE: 12}, [caller(width, servers=servers)]).seconds == seconds


def test_a_stage_begins_when_the_one_before_it_is_answered() -> None:
    planned = (((0, 1),), ((1, 1), (1, 1)))
    assert simulate({planned: 1}, [caller(1), caller(8, model="student")]).seconds == 2


def test_roles_of_one_model_share_its_turns() -> None:
    shapes: dict[ProblemShape, int] = {ONE: 4, (((1, 1),),): 4}
    assert simulate(shapes, [caller(2), caller(2)]).seconds == 4
    assert simulate(shapes, [caller(2), caller(2, model="other")]).seconds == 2


def test_one_driver_works_on_all_replies() -> None:
    assert simulate({ONE: 50}, [caller(50)], driver=0.5).seconds == 26


def test_a_width_that_is_found_by_trying_climbs_while_that_pays() -> None:
    held, climbing = (simulate({ONE: 4000}, [caller(16, widest=one)]).seconds for one in (16, 512))
    assert held == 250 and climbing < 60


def test_many_problems_take_the_rate_that_some_reach() -> None:
    found = simulate({ONE: 1_000_000}, [caller(100)], most=2000)
    assert found.requests == 1_000_000 and found.seconds == pytest.approx(10_000, rel=0.02)


def test_a_seed_gives_one_answer_and_another_seed_another() -> None:
    def draw(chance: random.Random, draws: int) -> float:
        return max(chance.expovariate(1) for _ in range(draws))

    times = [simulate({ONE: 40}, [SimulatedCaller("m", draw, 4, 4)], seed=seed).seconds for seed in (1, 1, 2)]
    assert times[0] == times[1] != times[2]


def test_a_request_for_many_draws_takes_as_long_as_the_longest() -> None:
    def draw(chance: random.Random, draws: int) -> float:
        return max(chance.expovariate(1) for _ in range(draws))

    one, ten = (simulate({(((0, n),),): 400}, [SimulatedCaller("m", draw, 4, 4)]).seconds for n in (1, 10))
    # The mean of the longest of ten is 1 + 1/2 + ... + 1/10 times that of one.
    assert ten / one == pytest.approx(2.93, rel=0.2)


def test_nothing_to_ask_takes_no_time() -> None:
    assert simulate({}, [caller(1)]).seconds == simulate({(): 3}, [caller(1)]).seconds == 0
