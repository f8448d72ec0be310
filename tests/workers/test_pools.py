"""Pools of workers: order, bounds, errors with the item's name, and workers that die."""

import os
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest

import worker_functions as asked
from stepdown.errors import BadRow, UnknownName, UsageError
from stepdown.workers import ProcessPool, SerialPool, WorkerLost, WorkerPool, open_workers

JOBS = (1, 2)


@pytest.fixture(params=JOBS)
def pool(request: pytest.FixtureRequest) -> Iterator[WorkerPool]:
    with open_workers(request.param) as opened:
        yield opened


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_results_come_in_the_order_of_the_items(pool: WorkerPool) -> None:
    assert list(pool.map(asked.square, range(9))) == [number * number for number in range(9)]


def test_items_are_read_no_further_than_twice_the_width_ahead(pool: WorkerPool) -> None:
    read = count()
    results = pool.map(asked.square, read)
    assert list(islice(results, 5)) == [0, 1, 4, 9, 16]
    assert next(read) <= 5 + 2 * pool.width


def test_an_error_is_of_its_class_and_names_its_item(pool: WorkerPool) -> None:
    with pytest.raises(BadRow, match=r"line 7.*\(on `part 3`\)") as caught:
        list(pool.map(asked.refuse_three, range(5), name=lambda number: f"part {number}"))
    assert caught.value.hint.startswith("mend") and caught.value.line == 7


def test_results_before_an_error_are_not_lost(pool: WorkerPool) -> None:
    results = pool.map(asked.refuse_three, range(5))
    assert list(islice(results, 3)) == [0, 1, 2]


def test_a_fault_keeps_its_class_and_notes_the_item(pool: WorkerPool) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        list(pool.map(asked.divide, [1, 0]))
    assert "on `0`" in caught.value.__notes__[0] and "worker_functions" in caught.value.__notes__[0]


def test_one_job_works_here_and_two_elsewhere() -> None:
    assert list(SerialPool().map(asked.process_id, [1])) == [os.getpid()]
    with ProcessPool(2) as pool:
        assert os.getpid() not in set(pool.map(asked.process_id, range(4)))


def test_a_worker_has_one_thread() -> None:
    with ProcessPool(1) as pool:
        assert list(pool.map(asked.threads, [1])) == ["1"]


def test_what_a_killed_worker_did_is_done_again(tmp_path: Path) -> None:
    markers = [tmp_path / name for name in "abc"]
    with ProcessPool(2) as pool:
        assert list(pool.map(asked.die_once, markers)) == ["a", "b", "c"]
    assert all(marker.exists() for marker in markers)


def test_an_item_that_kills_every_worker_is_named() -> None:
    with ProcessPool(1) as pool, pytest.raises(WorkerLost, match="the worker on `4` died `3` times"):
        list(pool.map(asked.die, [4]))


def test_leaving_early_ends_what_was_begun(tmp_path: Path) -> None:
    with ProcessPool(2) as pool:
        results = pool.map(asked.wait_for, [tmp_path / "begun"])
        with pytest.raises(TimeoutError):
            _watch(results, tmp_path / "begun")
        process = int((tmp_path / "begun").read_text())
    assert gone(process)


def _watch(results: Iterator[int], begun: Path) -> None:
    """Leave the results as soon as the item is begun, as Ctrl-C does."""
    import signal

    def leave(*_: object) -> None:
        if begun.exists() and begun.read_text():
            raise TimeoutError

    before = signal.signal(signal.SIGALRM, leave)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    try:
        next(results)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        results.close()  # type: ignore[attr-defined]


def test_what_cannot_be_pickled_is_said() -> None:
    with ProcessPool(1) as pool, pytest.raises(RuntimeError, match="not to be pickled"):
        list(pool.map(asked.no_pickle, [1]))


def test_a_function_that_a_worker_cannot_import_is_refused() -> None:
    with ProcessPool(1) as pool, pytest.raises(UsageError, match="cannot import"):
        list(pool.map(lambda number: number, [1]))


def test_no_jobs_more_than_a_machine_holds_and_unknown_places_are_refused() -> None:
    with pytest.raises(UsageError, match="`0` jobs"):
        open_workers(0)
    with pytest.raises(UsageError, match=f"`{10**15}` jobs are too many"):
        open_workers(10**15)
    with pytest.raises(UnknownName, match="`slurm`"):
        open_workers(2, "slurm")
