"""The example package, installed and used; files of one's own; what is broken; and who may not name code."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import printed
from places import ROOT
from stepdown import plugins
from stepdown.cli import main
from stepdown.corpus.selection import load_filter
from stepdown.errors import StepdownError, UnknownName, UsageError
from stepdown.exchange import export_run
from stepdown.graders import load_grader
from stepdown.methods import load_method
from stepdown.models import load_model
from stepdown.problems import load_problems
from stepdown.prompts import load_prompts
from stepdown.store import Store
from stepdown.web.config import Config
from stepdown.web.jobs.run_form import offers, read_form
from stepdown.web.openai.served import find_served

EXAMPLE = ROOT / "examples" / "stepdown-extra"
RUN = ("run", "doubles", "-n", "3", "--method", "restate", "--student", "adder/small", "--grader", "last-line")
BROKEN = """[stepdown.methods]
lost = nowhere_at_all:solve
number = broken_plugin:NUMBER
leaves = leaving_plugin:solve
direct = broken_plugin:solve
[stepdown.filters]
brief = broken_plugin:solve
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example as its users do, without a network."""
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(target), str(EXAMPLE)], check=True, capture_output=True)
    return target


def renewed() -> None:
    importlib.invalidate_caches()
    plugins.installed.cache_clear()


@pytest.fixture
def extra(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder of one's own, with the example's package and a broken one."""
    broken = tmp_path / "broken"
    (broken / "ugly_things-1.0.dist-info").mkdir(parents=True)
    (broken / "ugly_things-1.0.dist-info" / "METADATA").write_text("Name: ugly-things\nVersion: 1.0\n")
    (broken / "ugly_things-1.0.dist-info" / "entry_points.txt").write_text(BROKEN)
    (broken / "broken_plugin.py").write_text("NUMBER = 7\ndef solve(problem, plan, ask): ...\n")
    (broken / "leaving_plugin.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(installed))
    sys.path.append(str(broken))
    renewed()
    yield tmp_path
    sys.path.remove(str(broken))
    monkeypatch.undo()
    renewed()


@pytest.mark.slow
def test_every_kind_is_listed_and_what_is_broken_is_named_and_left_out(
    extra: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = printed(capsys, "plugins")
    assert {one["kind"] for one in found if not one["error"]} == set(plugins.KINDS)
    broken = {one["name"]: str(one["error"]) for one in found if one["error"]}
    assert "No module named 'nowhere_at_all'" in broken["lost"] and "SystemExit: 3" in broken["leaves"]
    assert "is a `int`" in broken["number"] and "stepdown itself" in broken["direct"]
    assert "one of stepdown-extra" in broken["brief"]
    main(["plugins"])
    shown = capsys.readouterr()
    assert "stepdown-extra 0.1.0" in shown.out and "left out: methods `lost` of ugly-things 1.0" in shown.err


@pytest.mark.slow
def test_a_broken_plugin_that_is_asked_for_says_why(extra: Path) -> None:
    with pytest.raises(UsageError, match=r"`lost` of ugly-things .* cannot be loaded: ModuleNotFoundError"):
        load_method("lost", code=True)
    with pytest.raises(UnknownName, match="restaet"):
        load_method("restaet", code=True)


@pytest.mark.slow
def test_method_student_data_and_grader_of_a_package_make_a_run(
    extra: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [first] = printed(capsys, *RUN)
    assert (first["right"], first["total"], first["dataset"]) == (3, 3, "doubles")
    with Store(extra / "stepdown.sqlite") as store:
        [run] = store.runs()
        assert run.settings.code and run.grader.startswith("last-line@") and len(run.grader.split("@")[1]) == 8
        assert run.settings.sources[0].startswith("code/")
    assert printed(capsys, *RUN, "--prompts", "terse")[0]["run"] != first["run"]


@pytest.mark.slow
def test_a_run_is_written_by_an_exporter_and_chains_are_kept_by_a_filter(
    extra: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = printed(capsys, *RUN)
    assert main(["export", str(run["run"]), "--to", "markdown", "--out", "run.md"]) == 0
    assert Path("run.md").read_text().splitlines()[2] == "| doubles/0 | right | 0 |"
    assert main(["export", str(run["run"]), "--to", "corpus", "--out", "chains"]) == 0
    capsys.readouterr()
    [kept] = printed(capsys, "keep", "chains", "brief=9", "--out", "kept")
    assert kept["chains"] == 3 and str(kept["selection"]).count("brief@") == 1


@pytest.mark.slow
def test_a_plugin_is_known_by_the_code_of_its_package(extra: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_filter("brief", code=True).name
    module = importlib.import_module("stepdown_extra.filter")

    def other(chains: list[object], words: str = "60") -> list[object]:
        """Chains as they are."""
        return chains

    monkeypatch.setattr(module, "brief", other)
    assert load_filter("brief", code=True).name != before


# -- files of one's own

MINE = """
from stepdown import CustomModel, Grade, Problem, PromptSet, Reply
import beside

async def solve(problem, plan, ask):
    return await ask("student", problem.question + beside.WORDS)

def grade(problem, solution):
    return Grade("right" if solution.endswith(problem.answer) else "wrong", solution)

class Model(CustomModel):
    name = "mine"
    async def reply(self, messages, sampling, n=1):
        return [Reply("It is 4", self.name)] * n

rows = [Problem("", "2 + 2?", "4"), Problem("", "2 + 3?", "5")]
words = PromptSet(name="mine", source="mine")
"""
OWN = ("run", "my.py:rows", "--method", "my.py:solve", "--student", "my.py:Model", "--grader", "my.py:grade")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "beside", raising=False)
    (tmp_path / "beside.py").write_text('WORDS = " Think."\n')
    (tmp_path / "my.py").write_text(MINE)
    plugins._module.cache_clear()
    return tmp_path


def test_a_model_in_a_file_that_has_no_reply_is_refused_by_name(mine: Path) -> None:
    (mine / "my.py").write_text("from stepdown import CustomModel\nclass Silent(CustomModel):\n    name = 'mine'\n")
    with pytest.raises(UsageError, match="`Silent` is not a model: it has no `reply`"):
        load_model("my.py:Silent", code=True)


def test_everything_of_a_run_may_come_from_a_file(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [first] = printed(capsys, *OWN, "--prompts", "my.py:words")
    assert (first["right"], first["total"], first["method"], first["student"]) == (1, 2, "solve", "mine")
    (mine / "my.py").write_text(MINE.replace("It is 4", "It is 5"))
    plugins._module.cache_clear()
    [other] = printed(capsys, *OWN, "--prompts", "my.py:words")
    assert other["run"] != first["run"], "another code is another run"


@pytest.mark.parametrize(
    ("text", "message"),
    [("no.py:x", "there is no file"), ("my.py:sovle", "did you mean `solve`"), ("my.py:words", "must be a `stepdown.M"),
     ("bad.py:x", "cannot be run: ZeroDivisionError")],
)  # fmt: skip
def test_a_name_in_a_file_that_leads_nowhere_says_why(mine: Path, text: str, message: str) -> None:
    (mine / "bad.py").write_text("1 / 0")
    with pytest.raises(UsageError) as raised:
        load_method(text, code=True)
    assert message in f"{raised.value.what} {raised.value.hint}"


# -- no name from a page, a request or a file loads code

TRAP = 'from pathlib import Path\nPath("sprung").touch()\nx = 1\n'


@pytest.fixture
def trap(mine: Path) -> Iterator[Path]:
    for folder in (mine, mine / "ollama", mine / "embedded"):
        folder.mkdir(exist_ok=True)
        (folder / "trap.py").write_text(TRAP)
    yield mine
    assert not (mine / "sprung").exists(), "the trap's code ran"


def test_a_loader_runs_no_code_unless_it_is_told_to(trap: Path, store: Store) -> None:
    for load in (load_method, load_grader, load_model, load_problems, load_filter, load_prompts):
        with pytest.raises(StepdownError):
            load("trap.py:x")
    with pytest.raises(UnknownName):
        load_filter("decontaminate=trap.py:x")
    with pytest.raises(UnknownName):
        export_run(None, "trap.py:x", "out")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["trap.py:x", "ollama/trap.py:x", "embedded/trap.py:x", "./trap.py:x", "adder/x"])
@pytest.mark.parametrize("field", ["method", "student", "teacher", "dataset", "plans", "control", "prompts"])
def test_a_page_starts_no_command_that_runs_code(trap: Path, store: Store, field: str, name: str) -> None:
    fields = {"method": "direct", "student": "ollama/m", "dataset": "wordsums", field: name}
    wish = read_form(list(fields.items()), offers(store, Config()))
    if field in wish.errors:
        return
    assert field in ("student", "teacher") and name == "ollama/trap.py:x", wish.settings
    assert load_model(name, code=True).name == "ollama/trap.py:x", "an endpoint's model of that name, no file"


@pytest.mark.parametrize("name", ["trap.py:x/openai/m", "direct/trap.py:x", "restate/openai/m", "direct/adder/x"])
def test_a_request_names_no_code(trap: Path, name: str) -> None:
    with pytest.raises(Exception, match="model"):
        find_served(name, Config())
