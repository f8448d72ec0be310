"""Ray: the same answers as here from three nodes, through the deaths of workers and nodes; one cluster for the file."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from platform import python_version

import pytest

import worker_functions as asked
from command_line import printed, write_sums
from loopback_cluster import LoopbackCluster, loopback_cluster
from places import ROOT
from served import served
from small_endpoint import post_json
from small_students import copied, small_student
from stepdown import run
from stepdown.cli import main
from stepdown.corpus import open_corpus
from stepdown.errors import BadRow
from stepdown.models import ScriptedModel, load_model
from stepdown.models.cluster import ClusterModel
from stepdown.models.cluster.engine_actor import EngineActor, EngineSpec
from stepdown.models.cluster.engine_workers import EngineWorkers
from stepdown.models.cluster.weight_files import receive, send
from stepdown.models.local.places import Place
from stepdown.store import Store
from stepdown.types import Message, Model, Sampling
from stepdown.version import __version__
from stepdown.web import Places, State
from stepdown.web.config import Config, Served
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
CARD = Place("cuda", "float16").source


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackCluster]:
    with loopback_cluster(*NAMES) as started:
        yield started


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_student(tmp_path_factory.mktemp("students") / "small")


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


async def workers(model: ClusterModel, number: int, *, among: str = "first") -> None:
    """Wait for so many workers, one of which is on a node of this name."""
    await model.prepare()
    while len(model.in_flight) != number or among not in model.nodes.values():
        await asyncio.sleep(0.05)


def test_three_nodes_answer_as_this_machine_does(model: ClusterModel, student: Path, expected: list[str]) -> None:
    here = load_model(str(student))
    asyncio.run(workers(model, 3))
    assert model.width == 3 * here.width
    assert sorted(model.nodes.values()) == sorted(NAMES)
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
    asyncio.run(workers(model, 3, among="fourth"))
    assert sorted(model.nodes.values()) == ["first", "fourth", "second"]


def test_weights_that_are_not_at_the_path_are_sent(
    cluster: LoopbackCluster, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEPDOWN_CACHE", str(tmp_path))
    ray = connect()
    found = receive(send(student, ray), "0123/openvino", ray, file=False)
    assert sorted(file.name for file in found.iterdir()) == sorted(file.name for file in student.iterdir())
    assert (found / "model.safetensors").read_bytes() == (student / "model.safetensors").read_bytes()


def test_other_weights_and_another_device_are_refused(student: Path) -> None:
    found = asyncio.run(EngineActor(1).load(EngineSpec(str(student), "openvino", "0123/openvino"))).refused
    assert "other weights" in found and "not `0123/openvino`" in found
    source = load_model(str(student)).capabilities.source
    card = asyncio.run(EngineActor(1).load(EngineSpec(str(student), "openvino", f"{source}/{CARD}"))).refused
    assert card.startswith(f"it would answer from `{source}` and not `{source}/{CARD}`")
    assert asyncio.run(EngineActor(1).load(EngineSpec("/nowhere/small", "openvino", "0123/openvino"))).missing


def test_a_catalogue_model_is_found_on_a_node_by_its_name(cluster: LoopbackCluster) -> None:
    name = "embedded/smollm2-135m"
    source = load_model(name).capabilities.source
    assert load_model(name, on="ray").capabilities.source == source
    found = asyncio.run(EngineActor(1).load(EngineSpec(name, "openvino", "0123/openvino"))).refused
    assert found == f"other weights at `{name}`: `{source}` and not `0123/openvino`"


def sample(out: str, *options: str) -> list[str]:
    """The texts of the corpus that `sample` writes of six sums, two chains each, from a store of its own."""
    command = ["sample", "sums.jsonl", "--zero-shot", "--chains", "2", "--max-tokens", "8", "--seed", "7", "--out", out]
    assert main([*command, "--store", f"{out}.sqlite", *options]) == 0
    return sorted(chain.text for chain in open_corpus(out))


def test_sampling_on_the_cluster_writes_the_chains_it_writes_here(
    cluster: LoopbackCluster, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_sums(6)
    here = sample("here", "--teacher", str(student))
    assert len(here) == 12 and sample("there", "--teacher", str(student), "--on", "ray") == here


def test_a_server_answers_from_the_cluster_and_gives_it_to_the_runs_it_starts(
    cluster: LoopbackCluster, student: Path, tmp_path: Path
) -> None:
    states: list[State] = []

    def make() -> State:
        config = Config(models={"small": Served(method="direct", student=str(student))})
        states.append(State(tmp_path / "s.sqlite", config=config, places=Places(on="ray")))
        return states[0]

    body = {"model": "small", "messages": [{"role": "user", "content": "What is 1 plus 1?"}]}
    with served(make) as address:
        status, _, answer = post_json(f"{address}/v1", body | {"max_tokens": 8})
        assert status == 200 and answer["choices"][0]["message"]["content"]
        assert isinstance(states[0].models[str(student)], ClusterModel)
        assert states[0].jobs.options == ("--on=ray",)


COMPUTING = {
    "import": ("import", "made_train.jsonl", "--buckets", "2"),
    "keep": ("keep", "pool", "distinct", "right"),
    "decontaminate": ("keep", "pool", "decontaminate=few.jsonl", "--buckets", "2"),
}


@pytest.mark.parametrize("command", COMPUTING.values(), ids=COMPUTING)
def test_computing_on_the_cluster_writes_the_bytes_it_writes_here(
    command: Sequence[str], cluster: LoopbackCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pool("made_train.jsonl", 40)
    write_pool("few.jsonl", 5)
    assert main(["import", "made_train.jsonl", "--out", "pool", "--buckets", "2"]) == 0
    assert main([*command, "--out", "here"]) == main([*command, "--out", "there", "--on", "ray"]) == 0
    here, there = (sorted(Path(out).iterdir()) for out in ("here", "there"))
    assert len(here) > 1 and [one.name for one in here] == [one.name for one in there]
    assert [one.read_bytes() for one in here] == [one.read_bytes() for one in there]


def write_pool(path: str, count: int) -> None:
    rows = [
        {"question": f"What is {n}?", "answer": str(n), "chains": [{"text": f"{n}!", "correct": True, "pred": n}]}
        for n in range(count)
    ]
    Path(path).write_text("\n".join(map(json.dumps, rows)))


def test_grading_on_the_cluster_gives_the_grades_it_gives_here(
    cluster: LoopbackCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        model = ScriptedModel(["The answer is 7.", "12 apples", "none"] * 4, "student", version="1")
        found = run("wordsums", "direct", student=model, limit=12, store=store)
    command = ["grade", found.id, "--store", str(tmp_path / "s.sqlite")]
    here = printed(capsys, *command)
    assert here and printed(capsys, *command, "--on", "ray") == here


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


def test_cards_are_given_a_worker_each_and_a_task_each(cluster: LoopbackCluster, student: Path) -> None:
    spec = EngineSpec(str(student), "openvino", f"{load_model(str(student)).capabilities.source}/{CARD}")
    with cluster.joined("carded", cards=2):
        assert asyncio.run(asyncio.wait_for(placed(spec), 60)) == (["carded", "carded"], {"carded"})
        with open_workers(on="ray", whole=True) as pool:
            assert pool.width == 2
            assert set(pool.map(asked.card, range(4))) <= {"0", "1"}


async def placed(spec: EngineSpec) -> tuple[list[str], set[str]]:
    """The nodes of the workers that a model is given, and those left out, once the cards prove to be none."""
    found = EngineWorkers(connect(), spec, None, changed=lambda: None)
    while not found.workers:
        await asyncio.sleep(0.05)
    begun = [worker.node.name for worker in found.workers]
    while not found.refused:
        await asyncio.sleep(0.05)
    assert all("another device serves" in why for why in found.refused.values())
    found.close()
    return begun, {node.name for node in found.refused}


KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
UNFIT = {
    "older": ("", "", "stepdown `0.0.9` and not `0.1.0`"),
    "killed": ("openvino_genai.py", KILLED, "its worker died 3 times while loading, most likely for its memory"),
    "bare": (
        "stepdown/__init__.py",
        "raise ImportError('not here')",
        "a worker that does not start: ImportError: not here",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_node_that_cannot_hold_the_model_is_left_out_by_name_and_others_go_on(
    name: str, cluster: LoopbackCluster, model: ClusterModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    module, text, why = UNFIT[name]
    if module:
        (tmp_path / module).parent.mkdir(exist_ok=True)
        (tmp_path / module).write_text(text)
    else:
        write_older(tmp_path)
    with cluster.joined(name, PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"):
        assert asyncio.run(asyncio.wait_for(refused(model, name), 60)) == why
        assert f"the node `{name}` is left out: {why}" in capfd.readouterr().err
        asyncio.run(asyncio.wait_for(workers(model, 3), 60))


def test_an_engine_that_does_not_load_is_a_reason_to_be_left_out(student: Path, tmp_path: Path) -> None:
    folder = copied(student, tmp_path)
    whole = (folder / "model.gguf").read_bytes()
    (folder / "model.gguf").write_bytes(whole.replace(b"blk.0.attn_q.weight", b"blk.0.attn_z.weight"))
    source = load_model(str(folder)).capabilities.source or ""
    found = asyncio.run(EngineActor(1).load(EngineSpec(str(folder), "openvino", source))).refused
    assert "model.gguf` is not" in found or "cannot load" in found


def write_older(folder: Path) -> None:
    """Write a stepdown of another version."""
    shutil.copytree(ROOT / "src" / "stepdown", folder / "stepdown")
    version = folder / "stepdown" / "version.py"
    version.write_text(version.read_text().replace(__version__, "0.0.9"))


def test_a_process_without_the_token_is_refused(cluster: LoopbackCluster, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_TOKEN"}
    command = [sys.executable, "-c", "from stepdown.workers import connect; connect()"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment | {"HOME": str(tmp_path)})
    assert "refuses this process" in done.stderr and "give its token: RAY_AUTH_MODE=token" in done.stderr


@pytest.mark.parametrize(
    ("driver", "found"),
    [
        (Versions("9.9.9", python_version()), f"stepdown `{__version__}` and not `9.9.9`"),
        (Versions(__version__, "2.7.1"), f"Python `{python_version()}` and not `2.7.1`"),
    ],
    ids=["stepdown", "Python"],
)
def test_tasks_refuse_a_node_of_other_versions_by_name(driver: Versions, found: str, cluster: LoopbackCluster) -> None:
    connect()
    answer = perform_on_node(driver, Surroundings([], "", 1), b"")
    assert isinstance(answer, tuple)
    assert other_versions(*answer).what == f"the node `first` has {found}"


async def refused(model: ClusterModel, node: str) -> str:
    """Why a node was left out, once it was."""
    await model.prepare()
    while node not in model.refused:
        await asyncio.sleep(0.05)
    return model.refused[node]
