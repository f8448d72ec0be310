"""The page of `--json`: each object that a command prints has the fields that the page has, of the types it says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from places import ROOT
from stepdown.cli import main
from stepdown.cli.step_judging import JudgeEstimate
from stepdown.cli.verbs.batches import BatchRow
from stepdown.cli.verbs.taste import TasteFindings
from stepdown.measuring import Calibration, PlanValues, SuitabilityTable
from stepdown.store import Removed
from stepdown.store.merging import MergeResult
from stepdown.training.studies import StudyFindings
from written_earlier import ENVIRONMENT, NEWEST, OLDEST

PAGE = (ROOT / "docs" / "json.md").read_text("utf-8")
ROW = re.compile(r"^\| `([^`]+)` \| ([a-z/]+)(\??) \|", re.MULTILINE)
Fields = dict[str, tuple[str, bool]]
OBJECTS: dict[str, Fields] = {
    title: {name: (kind, mark == "?") for name, kind, mark in ROW.findall(text)}
    for title, text in re.findall(r"^## ([a-z ]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}
KINDS: dict[str, type | tuple[type, ...]] = {
    "text": str, "integer": int, "number": (int, float), "yes/no": bool, "list": list, "map": dict, "object": dict,
}  # fmt: skip
PLAIN, TRACED, VOTED, SUMS = (
    "fa9ffed007fc",
    OLDEST.facts["first"],
    "5151adbf216c",
    "run sums.jsonl --student openai/student",
)
COMMANDS = [
    ("run", f"{SUMS} --method direct"),
    ("estimate", f"{SUMS} --method direct --estimate"),
    ("init", "init new.toml --student openai/student --budget 1"),
    ("init training", "init students.toml --training --corpus kept"),
    ("bundle", f"bundle {PLAIN} --out site"),
    ("report", f"report {PLAIN} {VOTED} {TRACED} --sensitivity --adherence"),
    ("report", f"report {PLAIN} --contrast {TRACED}"),
    ("trace", f"traces {TRACED}"),
    ("plan", f"plans {TRACED}"),
    ("plans file", f"plans {TRACED} --export new.jsonl"),
    ("grade", f"grade {TRACED} --grader strict"),
    ("marks", f"marks {TRACED}"),
    ("marks differing", f"marks {TRACED} --differ"),
    ("marks file", f"marks {TRACED} --to marks.csv"),
    ("prefer file", f"prefer {VOTED} {TRACED} --to task.jsonl"),
    ("audit", f"audit {TRACED} {PLAIN}"),
    ("corpus", "keep corpus right --out right"),
    ("chains", "chains corpus right -n 3"),
    ("show", f"show {TRACED}"),
    ("show", "show corpus"),
    ("publish", "publish corpus corpus --out published"),
    ("perturb", "perturb wordsums -n 3 --change distractor --out changed.jsonl"),
    ("import", "import traces.csv"),
    ("export", f"export {PLAIN} --to csv --out rows.csv"),
    ("export", "export kept --to messages --out chats.jsonl"),
    ("store", "store"),
    ("store check", "store check"),
    ("store copy", "store copy copy.sqlite"),
    ("store compact", "store compact --dry-run"),
    ("runs", "runs"),
    ("runs", f"runs tag {PLAIN} old"),
    ("tour", "tour"),
    ("models", "models"),
    ("datasets", "datasets"),
    ("doctor", "doctor"),
    ("doctor check", "doctor --check openai/student --check openai/"),
]
# What takes a model or minutes, as an earlier version printed it: fields may have come since.
EARLIER = [("corpus", "sample"), ("train", "train"), ("solved again", "plans"), ("prefer", "prefer")]
# What no earlier store has, or what takes away: the values that are printed.
PRINTED: dict[str, type[msgspec.Struct]] = {
    "calibrate": Calibration,
    "judge estimate": JudgeEstimate,
    "study": StudyFindings,
    "taste": TasteFindings,
    "teachers": SuitabilityTable,
    "plan values": PlanValues,
    "store merge": MergeResult,
    "runs rm": Removed,
    "batch": BatchRow,
}
# One of these says what was exported.
EITHER = {"export": {"rows", "run", "corpus", "student"}}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return OLDEST.copy_to(tmp_path_factory.mktemp("json"))


@pytest.fixture
def earlier(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def fields(value: dict[str, Any], known: Fields, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each field of an object under the page's name for it; what a map holds is not looked at."""
    for key, inner in value.items():
        name = above + key
        if isinstance(inner, dict) and name not in known:
            yield from fields(inner, known, f"{name}.")
            continue
        yield name, inner
        rows = inner if isinstance(inner, list) else []
        yield from (one for row in rows if isinstance(row, dict) for one in fields(row, known, f"{name}[]."))


def misfits(title: str, value: dict[str, Any]) -> list[str]:
    known = OBJECTS[title]
    return [
        f"{name} is {inner!r}"
        for name, inner in fields(value, known)
        if name not in known
        or not ((inner is None and known[name][1]) or isinstance(inner, KINDS[known[name][0]]))
        or (isinstance(inner, bool) and known[name][0] != "yes/no")
    ]


def missing(title: str, value: dict[str, Any]) -> set[str]:
    """Top fields that the page has and the object has not."""
    tops = {re.split(r"[.\[]", name)[0] for name in OBJECTS[title]}
    return tops - value.keys() - EITHER.get(title, set())


@pytest.mark.parametrize(("title", "command"), COMMANDS, ids=[command for _, command in COMMANDS])
def test_a_command_prints_the_object_of_the_page(
    title: str, command: str, earlier: None, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main([*command.split(), "--json"]) in (0, 1), capsys.readouterr().err
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines
    assert [(misfits(title, line), missing(title, line)) for line in lines] == [([], set())] * len(lines)


def test_a_command_that_fails_prints_the_error_of_the_page(earlier: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["traces", "nosuchrun", "--json"]) == 2
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (misfits("error", line), missing("error", line)) == ([], set())


@pytest.mark.parametrize(("title", "verb"), EARLIER)
def test_what_an_earlier_version_printed_is_still_on_the_page(title: str, verb: str) -> None:
    lines = [
        line for one in (OLDEST, NEWEST) for line in one.said_by(verb) if "derived" in line or title != "solved again"
    ]
    assert lines and [found for line in lines for found in misfits(title, line)] == []


@pytest.mark.parametrize("title", PRINTED)
def test_the_page_has_the_fields_of_what_is_printed(title: str) -> None:
    tops = {re.split(r"[.\[]", name)[0] for name in OBJECTS[title]}
    assert {*PRINTED[title].__struct_encode_fields__} == tops


def test_every_field_of_the_page_has_a_known_type() -> None:
    assert len(OBJECTS) > 20 and {kind for one in OBJECTS.values() for kind, _ in one.values()} <= KINDS.keys()
