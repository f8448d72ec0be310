"""Runs that a page starts: the form that is the `run` verb, followed to their end, stopped and refused."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from html import unescape
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from command_line import speak, write_sums
from faulty_server import FaultyServer, faulty_server
from served import get, served
from stepdown.errors import UnknownName, UsageError
from stepdown.methods import METHODS, summary_of
from stepdown.problems import hub_files
from stepdown.settings import GridSettings, RunSettings
from stepdown.store import Store
from stepdown.types import Sampling, Settings
from stepdown.web.config import Config, DataSource
from stepdown.web.jobs.run_form import fields_like, offers, read_form
from stepdown.web.state import State

pytestmark = pytest.mark.slow

STUDENT, TEACHER = "openai-api/here/student", "openai-api/here/teacher"
CONFIG = Config(
    datasets={
        "my sums": DataSource(dataset="sums.jsonl"),
        "my gsm8k": DataSource(dataset="gsm8k", data="mine.jsonl", split="test"),
        "odd": DataSource(dataset="none.jsonl"),
    },
    students=("students/mine",),
)
FORM = {"dataset": "my sums", "method": "direct", "student": STUDENT, "limit": "4", "do": "start"}


def direct(dataset: str, student: str) -> RunSettings:
    return RunSettings(dataset=dataset, grid=GridSettings(method=("direct",), student=(student,)))


def wait(condition: Callable[[], object]) -> None:
    """Wait until something is so, 30 s at most."""
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends, "this takes too long"
        time.sleep(0.01)


class Desk:
    """A served state with an endpoint behind it, asked as a browser without JavaScript asks."""

    def __init__(self, address: str, endpoint: FaultyServer, store: Path) -> None:
        self.address, self.endpoint, self.store = address, endpoint, store

    def post(self, path: str, **form: str | tuple[str, ...]) -> tuple[int, str, str]:
        """Post a form; return the status, the page and where it leads."""
        try:
            with urlopen(self.address + path, urlencode(form, doseq=True).encode(), timeout=60) as answer:
                return int(answer.status), answer.read().decode(), answer.url.removeprefix(self.address)
        except HTTPError as error:
            with error:
                return error.code, error.read().decode(), path

    def get(self, path: str) -> str:
        with urlopen(self.address + path, timeout=20) as answer:
            return str(answer.read().decode())

    def watch(self, path: str, pattern: str) -> str:
        """Look at a page until it says something, and return the page."""
        wait(lambda: re.search(pattern, self.get(path)))
        return self.get(path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_sums(30)
    return tmp_path


@pytest.fixture
def open_desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Desk]]:
    with ExitStack() as stack:

        def work(*faults: str) -> Desk:
            endpoint = stack.enter_context(faulty_server(*faults, speak=speak))
            monkeypatch.setenv("HERE_BASE_URL", endpoint.url)
            monkeypatch.setenv("HERE_API_KEY", "sk-never-shown")
            store = folder / "s.sqlite"
            address = stack.enter_context(served(lambda: State(store, config=CONFIG)))
            return Desk(address, endpoint, store)

        yield work


def test_a_run_is_started_from_the_form_watched_and_finished(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    with urlopen(f"{desk.address}/events", timeout=30) as events:
        lines = iter(events)
        assert next(lines) == b"event: runs\n"
        status, page, path = desk.post("/jobs", **FORM | {"method": "trace-of-thought", "teacher": TEACHER})
        assert (status, path) == (200, "/jobs/1") and "stepdown run" in page
        # The list of runs is pushed to those who look at it.
        assert any(b"4 / 4 / 4" in line for line in lines)
    page = desk.watch(path, "badge.*>finished<")
    assert "4 / 4" in page and "sk-never-shown" not in page
    with Store(desk.store) as store:
        assert f'href="/runs/{store.runs()[0].id}"' in page
    assert desk.endpoint.headers[0]["authorization"] == "Bearer sk-never-shown"


def test_a_run_that_waits_for_its_endpoint_says_so_on_its_page_and_in_the_list(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk("429-soon")
    with urlopen(f"{desk.address}/events", timeout=30) as events:
        _, _, path = desk.post("/jobs", **FORM | {"concurrency": "1"})
        words = r"<code>student</code> answered 429; retry 1 in [123] s"
        desk.watch(path, words)
        lines = iter(events)
        assert any(re.search(words, line.decode()) for line in lines)
        # Once the endpoint answers, the list goes on without it.
        assert any(b"4 / 4 / 4" in line for line in lines)
    assert not re.search(words, desk.watch(path, ">finished<") + desk.get("/"))


def test_an_estimate_shows_calls_and_sends_none(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    status, page, _ = desk.post("/jobs", **FORM | {"do": "estimate"})
    assert status == 200 and 'id="costings"' in page and "--student=openai-api/here/student" in page
    assert not desk.endpoint.bodies and f'value="{STUDENT}"' in page
    assert "What it rests on" in page and "Work of the driver on a reply" in page and ">assumed<" in page


def test_without_a_key_a_run_is_estimated_and_not_started(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    desk, far = open_desk(), FORM | {"student": "openai/gpt-4o"}
    status, page, _ = desk.post("/jobs", **far | {"do": "estimate"})
    assert status == 200 and 'id="costings"' in page
    status, page, _ = desk.post("/jobs", **far)
    assert status == 400 and "<code>OPENAI_API_KEY</code> is not set" in page


def test_a_run_is_stopped_by_the_page_and_keeps_what_was_answered(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk("hang")
    _, _, path = desk.post("/jobs", **FORM | {"concurrency": "1"})
    desk.watch(path, ">running<")
    wait(lambda: desk.endpoint.flying)
    desk.post(f"{path}/stop")
    assert "Stop at once" in desk.watch(path, ">stopping<")
    desk.post(f"{path}/stop")
    assert "never begun" in (page := desk.watch(path, ">stopped at once<")) or "0 / 4" in page


def test_a_job_that_ended_is_started_again_and_asks_only_for_what_failed(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk("400-long")
    _, _, path = desk.post("/jobs", **FORM | {"concurrency": "1"})
    assert "1 ungraded</a>" in desk.watch(path, "with ungraded problems")
    sent = len(desk.endpoint.bodies)
    _, _, second = desk.post(f"{path}/again")
    assert second == "/jobs/2" and "4 / 4" in desk.watch(second, ">finished<")
    assert len(desk.endpoint.bodies) == sent + 1


def test_jobs_end_with_the_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty_server("hang", speak=speak) as endpoint:
        monkeypatch.setenv("HERE_BASE_URL", endpoint.url)
        monkeypatch.setenv("HERE_API_KEY", "sk-never-shown")
        states: list[State] = []

        def make() -> State:
            states.append(State(folder / "s.sqlite", config=CONFIG))
            return states[0]

        with served(make) as address:
            desk = Desk(address, endpoint, folder / "s.sqlite")
            desk.post("/jobs", **FORM | {"concurrency": "1"})
            wait(lambda: endpoint.flying)
        process = next(iter(states[0].jobs)).process
        assert process is not None
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)


def test_without_any_grace_jobs_end_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(endpoint: FaultyServer) -> int | None:
        state = State(folder / "s.sqlite")
        job = await state.jobs.start(direct("sums.jsonl", STUDENT))
        await asyncio.to_thread(wait, lambda: endpoint.flying)
        await state.close(grace=0.0)
        return job.code

    with faulty_server("hang", speak=speak) as endpoint:
        monkeypatch.setenv("HERE_BASE_URL", endpoint.url)
        monkeypatch.setenv("HERE_API_KEY", "sk-never-shown")
        assert asyncio.run(work(endpoint)) == -9


def test_a_run_ends_with_who_holds_its_stdin_as_with_a_server_that_was_killed(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk("hang")
    command = [sys.executable, "-m", "stepdown", "run", "sums.jsonl", "--method=direct", f"--student={STUDENT}"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"STEPDOWN_LEASH": "1"}
    ) as process:
        wait(lambda: desk.endpoint.flying)
        assert process.stdin is not None and process.poll() is None
        process.stdin.close()
        assert process.wait(20) == 130


def test_what_the_command_refuses_is_said_on_the_form(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    status, page, _ = desk.post("/jobs", **FORM | {"dataset": "odd"})
    assert status == 400 and "none.jsonl" in page and f'value="{STUDENT}"' in page and "Traceback" not in page
    status, page, _ = desk.post("/jobs", **FORM | {"method": "trace-of-thought"})
    assert status == 400 and "teacher" in page


def test_runs_that_end_once_they_are_decided_are_started_from_the_form(open_desk: Callable[..., Desk]) -> None:
    desk, early = open_desk(), FORM | {"until": "decided", "margin": "40"}
    status, page, _ = desk.post("/jobs", **early)
    assert status == 400 and "One run has nothing to be compared with" in page and 'id="error-until"' in page
    assert not desk.endpoint.bodies
    _, page, path = desk.post("/jobs", **early | {"method": ("direct", "chain-of-thought")})
    page = desk.watch(path, "badge.*>finished<")
    assert (
        "--until=decided --margin=40" in unescape(page) and "points, evidence" in page and "fold of 20 needed" in page
    )


def test_what_a_job_said_is_shown_when_it_failed(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk("quota")
    desk.post("/jobs", **FORM)
    page = desk.watch("/jobs/1", "stopped: an endpoint refused")
    assert "exceeded your current quota" in page.partition('<div class="wrong">')[2].partition("</div>")[0]


BAD = [
    ("dataset", "../secret.jsonl", "data set"),
    ("dataset", "/etc/passwd", "data set"),
    ("split", "test", ""),
    ("student", "../students/mine", "cannot be named on a page"),
    ("student", "/etc/passwd", "cannot be named on a page"),
    ("student", "~/x", "cannot be named on a page"),
    ("student", "file.gguf", "cannot be named on a page"),
    ("student", "openai/../../x", "cannot be named on a page"),
    ("student", "openai-api/here/<script>", "cannot be named on a page"),
    ("student", "--store=x", "cannot be named on a page"),
    ("student", "recorded/abcdef", "provider"),
    ("student", "students/other", "provider"),
    ("student", "embedded/none", "embedded model"),
    ("student", "", "name a student"),
    ("teacher", "a\nb", "cannot be named on a page"),
    ("method", "magic", "method"),
    ("plans", "plans.jsonl", "plans cannot come from"),
    ("plans", "abcdef", "plans cannot come from"),
    ("control", "upside-down", "control"),
    ("prompts", "words.toml", "prompt set"),
    ("limit", "0", "whole number"),
    ("limit", "1e3", "whole number"),
    ("offset", "-1", "whole number"),
    ("samples", "1.5", "whole number"),
    ("temperature", "nan", "a number"),
    ("temperature", "2.5", "a number"),
    ("budget", "-1", "a number"),
    ("concurrency", "٣", "whole number"),
    ("until", "soon", "one of `decided`"),
    ("margin", "0", "a number above 0"),
]


@pytest.mark.parametrize(("field", "value", "said"), BAD)
def test_a_field_that_cannot_be_is_refused_beside_itself(tmp_path: Path, field: str, value: str, said: str) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        form = read_form(list((FORM | {field: value}).items()), offers(store, CONFIG))
    assert (list(form.errors) == [field] and said in form.errors[field]) if said else not form.errors


def test_a_split_that_is_not_there_is_said_at_the_split(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        form = read_form(list((FORM | {"dataset": "wordsums", "split": "tset"}).items()), offers(store, CONFIG))
    assert list(form.errors) == ["split"] and "did you mean `test`" in form.errors["split"]


def test_a_form_is_a_command_of_options_that_begin_with_their_names(tmp_path: Path) -> None:
    fields = [
        *FORM.items(),
        ("dataset", "my gsm8k"),
        ("method", "chain-of-thought"),
        ("student", "students/mine"),
        ("review", "1"),
        ("until", "decided"),
        ("margin", "2.5"),
        ("x", "--y"),
    ]
    with Store(tmp_path / "s.sqlite") as store:
        form = read_form(fields, offers(store, CONFIG))
    assert form.settings and form.settings.dataset == "gsm8k"
    options = set(form.settings.options)
    assert {"--data=mine.jsonl", "--split=test", "--method=direct", "--method=chain-of-thought"} < options
    assert {"--until=decided", "--margin=2.5"} < options
    assert {f"--student={STUDENT}", "--student=students/mine", "--limit=4", "--review"} < options
    assert all(one.startswith("--") for one in options) and "--y" not in options


def test_a_bad_form_is_shown_again_with_its_values(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    status, page, _ = desk.post("/jobs", **FORM | {"limit": "many<b>", "teacher": "/etc/passwd"})
    assert status == 400 and 'value="many&lt;b&gt;"' in page and 'id="error-limit"' in page
    assert 'id="error-teacher"' in page and 'aria-invalid="true"' in page and not desk.endpoint.bodies


def test_only_so_many_jobs_run_at_once_and_unknown_ones_are_not_found(folder: Path) -> None:
    async def work() -> None:
        state = State(folder / "s.sqlite", config=CONFIG)
        with pytest.raises(UnknownName, match="there is no job `7`"):
            state.jobs.stop("7")
        assert state.jobs.of("abc") is None
        with pytest.raises(UsageError, match="none-such"):
            await state.jobs.start(direct("none-such", "openai/x"))
        await state.close()

    asyncio.run(work())


def test_models_that_a_server_of_this_machine_has_are_offered(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk()
    monkeypatch.setenv("OLLAMA_BASE_URL", desk.endpoint.url)
    page = get(f"{desk.address}/new").text
    assert '<option value="ollama/small">a server of this machine</option>' in page and not desk.endpoint.bodies


def test_the_form_has_a_sentence_for_each_method_and_takes_several_students_and_teachers(
    open_desk: Callable[..., Desk], store: Store
) -> None:
    page = unescape(get(f"{open_desk().address}/new").text)
    assert all(summary_of(name) in page for name in METHODS)
    assert "Add another student" in page and "Add another teacher" in page
    several = [(name, f"openai/{name}-{number}") for name in ("student", "teacher") for number in (1, 2)]
    asked = [("dataset", "my sums"), ("method", "trace-of-thought"), ("limit", "4"), *several]
    form = read_form(asked, offers(store, CONFIG))
    assert form.settings is not None and [*form.settings.grid.student, *form.settings.grid.teacher] == [
        name for _, name in several
    ]


def test_a_data_set_that_the_hub_has_brought_is_no_longer_said_to_come_from_there(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert {"gsm8k", "svamp"} <= offers(store, CONFIG).fetched and "wordsums" not in offers(store, CONFIG).fetched
    hub = hub_files("gsm8k")
    assert hub is not None
    for name in hub.files["test"]:
        path = tmp_path / f"datasets--{hub.repo.replace('/', '--')}" / "snapshots" / hub.revision / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert "gsm8k" not in offers(store, CONFIG).fetched and "svamp" in offers(store, CONFIG).fetched


def test_a_run_can_be_asked_for_like_one_that_is_there(store: Store) -> None:
    run = store.open_run(
        Settings(dataset="gsm8k/test", problems="p", count=30, method="trace-of-thought", student="openai/small",
                 teacher="openai/big", plans="teacher", samples=3, sampling=Sampling(0.7, max_tokens=300))
    )  # fmt: skip
    offered = offers(store, CONFIG)
    form = read_form(fields_like(run.settings, offered), offered)
    assert form.settings is not None and (form.settings.grid.samples, form.settings.problems.limit) == (3, 30)
    again = form.settings.options
    assert {"--student=openai/small", "--teacher=openai/big", "--temperature=0.7", "--max-tokens=300"} <= set(again)


def test_what_a_run_takes_is_said_while_the_form_is_filled_in(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    status, said, _ = desk.post("/new/estimate", **FORM)
    assert status == 200 and "4 calls to send" in said and "Nothing was sent" in said
    assert not desk.endpoint.bodies
    _, missing, _ = desk.post("/new/estimate", **(FORM | {"student": ""}))
    assert "once student is filled in" in missing
