"""Ray: the same answers as here from three nodes, through the deaths of workers and nodes; one cluster for the file."""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from platform import python_version

import pytest

import worker_functions as asked
from loopback_cluster import LoopbackCluster, loopback_cluster
from places import ROOT
from small_students import small_student
from stepdown.errors import BadRow
from stepdown.models import load_model
from stepdown.models.cluster import ClusterModel
from stepdown.models.cluster.engine_actor import EngineActor, EngineSpec
from stepdown.models.cluster.weight_files import receive, send
from stepdown.types import Message, Model, Sampling
from stepdown.version import __version__
from stepdown.workers import Versions, connect, open_workers, other_versions
from stepdown.workers.ray_pool import Surroundings, perform_on_node

pytestmark = [
    pytest.mark.slow,
    # Ray's own, of what it leaves open where its cluster ends before its driver.
    pytest.mark.filterwarnings("default"),
]
# All of one length: where a batch is padded, roundings decide between words of equal chance.
QUESTIONS = tuple((Message("user", f"Tom has {number} boxes with 4 apples each."),) for number in range(100, 340))
SAMPLING = Sampling(max_tokens=24)
NAMES = ("first", "second", "third")


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackCluster]:
    with loopback_cluster(*NAMES) as started:
        yield started


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_student(tmp_path_factory.mktemp("students") / "small")
    # Without it transformers answers, whose greedy text is the same in any batch.
    (folder / "model.gguf").unlink()
    return folder


@pytest.fixture(scope="module")
def expected(student: Path) -> list[str]:
    return asyncio.run(texts(load_model(str(student))))


@pytest.fixture(scope="module")
def model(cluster: LoopbackCluster, student: Path) -> Iterator[ClusterModel]:
    """The student on the cluster: its workers, whose engines take seconds to load, serve all tests."""
    found = load_model(str(student), on="ray")
    assert isinstance(found, ClusterModel)
    yield found
    asyncio.run(found.close())


async def texts(model: Model, during: Callable[[], None] = lambda: None) -> list[str]:
    """The model's texts for all questions asked at once; `during` is called at each answer."""

    async def ask(number: int) -> str:
        [reply] = await model.reply(QUESTIONS[number], SAMPLING)
        during()
        return reply.text

    return list(await asyncio.gather(*map(ask, range(len(QUESTIONS)))))


async def workers(model: ClusterModel, number: int) -> None:
    await model.prepare()
    while len(model.in_flight) != number:
        await asyncio.sleep(0.05)


def test_three_nodes_answer_as_this_machine_does(model: ClusterModel, student: Path, expected: list[str]) -> None:
    here = load_model(str(student))
    asyncio.run(workers(model, 3))
    assert model.width == 3 * here.width
    assert asyncio.run(texts(model)) == expected
    assert (model.name, model.capabilities.source) == (here.name, here.capabilities.source)


def test_a_killed_worker_repeats_only_what_was_in_flight(model: ClusterModel, expected: list[str]) -> None:
    killed: list[int] = []

    def kill() -> None:
        process, asked = max(model.in_flight.items(), key=lambda one: one[1])
        if not killed and asked:
            os.kill(process, signal.SIGKILL)
            killed.append(asked)

    before = model.repeated
    assert asyncio.run(texts(model, kill)) == expected
    assert killed and 0 < model.repeated - before <= killed[0]


def test_a_node_that_dies_loses_nothing_and_one_that_joins_is_used(
    cluster: LoopbackCluster, model: ClusterModel, expected: list[str]
) -> None:
    asyncio.run(workers(model, 3))

    def remove() -> None:
        if "third" in cluster.nodes:
            cluster.remove("third")

    assert asyncio.run(texts(model, remove)) == expected
    cluster.add("fourth")
    asyncio.run(workers(model, 3))
    assert model.width == 3 * 16


def test_weights_that_are_not_at_the_path_are_sent(cluster: LoopbackCluster, student: Path) -> None:
    ray = connect()
    found = receive(send(student, ray), "0123/transformers", ray, file=False)
    assert sorted(file.name for file in found.iterdir()) == sorted(file.name for file in student.iterdir())
    assert (found / "model.safetensors").read_bytes() == (student / "model.safetensors").read_bytes()


def test_other_weights_are_refused(student: Path) -> None:
    spec = EngineSpec(str(student), "transformers", "0123/transformers")
    loaded = asyncio.run(EngineActor(1).load(spec))
    assert "other weights" in loaded.refused and "not `0123/transformers`" in loaded.refused
    missing = EngineSpec("/nowhere/small", "transformers", "0123/transformers")
    assert asyncio.run(EngineActor(1).load(missing)).missing


def test_tasks_come_back_in_order_with_errors_that_name_their_item(cluster: LoopbackCluster) -> None:
    with open_workers(on="ray") as pool:
        assert list(pool.map(asked.square, range(12))) == [number * number for number in range(12)]
        assert set(pool.map(asked.folder, range(3))) == {os.getcwd()}
        with pytest.raises(BadRow, match=r"line 7.*\(on `3`\)"):
            list(pool.map(asked.refuse_three, range(5)))


def test_what_a_killed_task_did_is_done_again(
    cluster: LoopbackCluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    markers = [tmp_path / name for name in "ab"]
    with open_workers(on="ray") as pool:
        assert list(pool.map(asked.die_once, markers)) == ["a", "b"]
    assert capfd.readouterr().out == ""


def test_a_node_of_another_version_is_left_out_by_name(
    cluster: LoopbackCluster, model: ClusterModel, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "src" / "stepdown", tmp_path / "stepdown")
    version = tmp_path / "stepdown" / "version.py"
    version.write_text(version.read_text().replace("0.1.0", "0.0.9"))
    cluster.add("older", PYTHONPATH=str(tmp_path))
    assert asyncio.run(refused(model, "older")) == "stepdown `0.0.9` and not `0.1.0`"


def test_tasks_refuse_a_node_of_other_versions_by_name(cluster: LoopbackCluster) -> None:
    connect()
    found = perform_on_node(Versions("9.9.9", python_version()), Surroundings([], "", 1), b"")
    assert isinstance(found, tuple)
    assert other_versions(*found).what == f"the node `first` has stepdown `{__version__}` and not `9.9.9`"


async def refused(model: ClusterModel, node: str) -> str:
    """Why a node was left out, once it was."""
    while node not in model.refused:
        await asyncio.sleep(0.05)
    return model.refused[node]
