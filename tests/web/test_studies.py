"""Training from a page: the form that is the `study` verb, students while they learn, curves, and what is refused."""

import json
import re
import time
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from html import unescape
from pathlib import Path

import pytest

from corpora import write_corpus
from run_pages import put_run
from served import get, post, served
from stepdown.cli import main
from stepdown.corpus import Card
from stepdown.errors import UsageError
from stepdown.problems import load_problems
from stepdown.store import Store, note_studies
from stepdown.training import StudyFindings
from stepdown.training.studies import CellScore
from stepdown.training.study_tables import write_study
from stepdown.types import Chain, Grade, StudyFile
from stepdown.web.config import Config, DataSource
from stepdown.web.jobs.study_files import study_files, write_study_file
from stepdown.web.jobs.study_form import FIELDS, StudySettings, read_study
from stepdown.web.state import Places, State

FORM = {**FIELDS, "corpus": "chains", "name": "first"}
SCORE = CellScore(name="chain, 1 random", chains=1, by="random", target="chain", runs=("abc",), accuracies=(0.5,),
                  mean=0.5, low=0.3, high=0.7, graded=8, total=8)  # fmt: skip


@pytest.fixture
def students(tmp_path: Path) -> Path:
    """A folder with a study that is whole, and one whose student is at its second step."""
    learning = tmp_path / "students" / "second" / "chain-n1-random" / ".seed-0.training"
    learning.mkdir(parents=True)
    rows = [{"step": 1, "loss": 2.5, "tokens_per_second": 900.0}, {"step": 2, "loss": 1.25, "dev": 0.5}]
    (learning / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 3, "lo')
    whole = StudyFindings(
        base="smollm2-135m", test="sums/test", scores=(SCORE,), study=StudyFile("5eed" * 16, "s.toml")
    )
    write_study(whole, tmp_path / "students" / "whole")
    return tmp_path / "students"


@pytest.fixture
def desk(tmp_path: Path, students: Path) -> Iterator[str]:
    """A server of a corpus that asks test questions, which no study may train on."""
    problems = load_problems("wordsums", split="test", limit=6)
    chains = [Chain(one, f"Answer: {one.answer}", "gold", grade=Grade("right", one.answer)) for one in problems]
    write_corpus(tmp_path / "chains", chains, card=Card(dataset="wordsums/test"))
    places = Places(students=students, corpora=(tmp_path / "chains",))
    with served(lambda: State(tmp_path / "s.sqlite", places=places)) as address:
        yield address


def test_students_that_learn_are_shown_with_their_newest_figures(desk: str) -> None:
    page = get(f"{desk}/studies/second").text
    row = re.search(r"chain-n1-random, seed-0.*?</tr>", page, re.S)
    assert row and [cell.strip() for cell in re.findall(r'<td class="n">([^<]*)', row[0])][:4] == [
        "2",
        "1.250",
        "50.0",
        "900",
    ]


def test_students_stand_in_the_order_of_their_numbers(desk: str, students: Path) -> None:
    names = [f"chain-n{number}-random, seed-{seed}" for number in (1, 5, 30) for seed in (0, 2, 10)]
    for name in names:
        folder = students / "many" / name.replace(", ", "/")
        folder.mkdir(parents=True)
        (folder / "log.jsonl").write_text('{"step": 1, "loss": 2.5}\n')
    assert re.findall(r'<th scope="row" class="tight">(chain[^<]*?)\s*<', get(f"{desk}/studies/many").text) == names


@pytest.mark.slow
def test_curves_and_scores_are_drawn_in_the_ink_of_the_page(desk: str) -> None:
    for path, words in (("second/curves.svg", "loss, nats per token"), ("whole/scores.svg", "chains per problem")):
        light, dark = (get(f"{desk}/studies/{path}?scheme={one}").text for one in ("light", "dark"))
        assert light.startswith("<svg") and words in light and light != dark
    assert get(f"{desk}/studies/whole/curves.svg").status == 400
    assert get(f"{desk}/studies/whole/odd.svg").status == 404


def test_a_study_that_is_whole_shows_its_table(desk: str) -> None:
    page = get(f"{desk}/studies/whole").text
    assert "[30.0, 70.0]" in page and "/compare?run=abc" in page
    assert f"s.toml, sha256 {'5eed' * 16}" in page
    assert "50.0" in get(f"{desk}/studies").text


@pytest.mark.slow
def test_a_study_that_the_command_refuses_says_why_on_its_page(desk: str) -> None:
    began = post(f"{desk}/studies", FORM)
    assert began.place == "/studies/first"
    while "data-tell>running" in (page := get(f"{desk}/studies/first").text):
        time.sleep(0.1)
    assert "data-tell>refused" in page and "wordsums/test" in unescape(page.partition('class="wrong"')[2])
    file = get(f"{desk}/studies/first/study.toml").text
    assert file in unescape(page) and sha256(file.encode()).hexdigest() in page
    assert get(f"{desk}/studies/first/card.toml").status == 404


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("corpus", "/etc"), ("base", "../weights"), ("test", "/tmp/x.jsonl"), ("targets", "plan"), ("seeds", "999"),
        ("name", "../out"), ("name", ""), ("name", ".hidden"), ("chains", "many"), ("chains", ""), ("limit", "-1"),
        ("keep", "my.py:filter"), ("keep", "decontaminate=/etc/passwd"), ("steps", "0"), ("steps", "1e9"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_its_field(field: str, text: str) -> None:
    found = read_study(FORM | {field: text}, {"chains": Path()})
    assert found.settings is None and found.errors.keys() == {field}
    assert read_study(FORM, {"chains": Path()}).settings is not None


def test_a_form_with_mistakes_comes_back_with_what_was_typed(desk: str) -> None:
    answer = post(f"{desk}/studies", FORM | {"name": '"><script>', "steps": "none"})
    assert answer.status == 400 and "2 of the fields below" in answer.text
    assert 'value="none"' in answer.text and "<script>" not in answer.text.partition("<main")[2]


def test_bases_and_data_sets_of_the_configuration_are_taken_and_no_other_path() -> None:
    config = Config(bases=("models/small",), datasets={"mine": DataSource(dataset="gsm8k", data="mine.jsonl")})
    asked = FORM | {"base": "models/small", "test": "mine"}
    found = read_study(asked, {"chains": Path()}, config).settings
    assert found is not None
    said = tomllib.loads(found.text(Path("students/first/study.toml"), Path("chains")))
    assert (said["base"], said["test"], said["data"]) == ("models/small", "gsm8k", "mine.jsonl")
    assert read_study(asked, {"chains": Path()}).errors.keys() == {"base", "test"}


def filled(**fields: str) -> StudySettings:
    found = read_study(FORM | fields, {"chains": Path()}).settings
    assert found is not None
    return found


def test_the_study_file_of_a_form_is_what_study_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fields = {"chains": "1 0", "keep": "right distinct", "targets": "chain label", "limit": "7", "seeds": "2"}
    file = write_study_file(filled(**fields, steps="9"), tmp_path / "chains", tmp_path / "first")
    assert main(["study", str(file)]) == 2 and f"no corpus `{tmp_path / 'chains'}`" in capsys.readouterr().err
    said = tomllib.loads(file.read_text())
    assert said["keep"] == ["right", "distinct"] and said["targets"] == ["chain", "label"] and said["chains"] == [1, 0]
    assert [said[name] for name in ("limit", "seeds", "steps", "before")] == [7, 2, 9, False]
    assert (said["corpus"], said["out"]) == (str(tmp_path / "chains"), str(tmp_path / "first"))


def test_a_study_file_that_students_cite_stays_beside_one_of_other_settings(tmp_path: Path) -> None:
    names = [write_study_file(filled(seeds=seeds), Path("chains"), tmp_path).name for seeds in ("1", "2", "1", "2")]
    assert names == ["study.toml", "study-2.toml"] * 2
    first, second = study_files(tmp_path)
    assert "seeds = 1" in first.text and "seeds = 2" in second.text and first.cited.sha256 != second.cited.sha256


def test_a_folder_that_cannot_be_made_refuses_the_study(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("a file")
    with pytest.raises(UsageError, match="cannot write"):
        write_study_file(filled(), Path("chains"), tmp_path / "first")


def test_a_student_that_a_page_has_trained_can_be_run_from_a_page(desk: str, students: Path) -> None:
    folder = students / "second" / "chain-n1-random" / "seed-0"
    form = {"dataset": "wordsums", "method": "direct", "student": str(folder), "limit": "none"}
    assert "once student, limit are filled in" in unescape(post(f"{desk}/new/estimate", form).text)
    folder.mkdir()
    (folder / "card.json").write_text("{}")
    assert "once limit is filled in" in unescape(post(f"{desk}/new/estimate", form).text)
    assert f'value="{folder}"' in get(f"{desk}/new").text


def test_a_run_of_a_student_leads_back_to_the_study_that_trained_it(desk: str, students: Path, tmp_path: Path) -> None:
    file = StudyFile("5eed" * 16, "s.toml")
    with Store(tmp_path / "s.sqlite") as store:
        trained, other = (
            put_run(store, "rw", student=name)
            for name in (str(students / "whole" / "chain-n1-random" / "seed-0"), "openai/whole/chain/seed-0")
        )
        note_studies(trained, file)
    page = get(f"{desk}/runs/{trained.id}").text
    assert 'href="/studies/whole"' in page and str(file) in page
    assert 'id="study"' not in get(f"{desk}/runs/{other.id}").text


@pytest.mark.parametrize("name", ["..", "none", "%2e%2e%2fchains"])
def test_a_study_that_is_not_there_is_not_found(desk: str, name: str) -> None:
    assert get(f"{desk}/studies/{name}").status in (404, 200) and "card.json" not in get(f"{desk}/studies/{name}").text
    assert get(f"{desk}/studies/none").status == 404
