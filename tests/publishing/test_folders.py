"""What is published: a folder with an escaped card, licences that are known, and nothing sent unless asked for."""

import socket
from pathlib import Path

import msgspec
import pytest

import written_hub
from corpora import nine_problems, write_corpus
from loopback_server import serving
from small_hub import small_hub
from stepdown.cli import main
from stepdown.corpus import Card
from stepdown.errors import UsageError
from stepdown.models.local.bases import find_base
from stepdown.models.weights import StudentCard, StudentScore
from stepdown.problems import load_problems
from stepdown.publishing import publish_corpus, publish_student
from stepdown.publishing.cards import student_page
from stepdown.publishing.eval_results import eval_results
from stepdown.publishing.licences import licence_tags, source_licences
from stepdown.types import Chain, Problem
from written_earlier import NEWEST

HOSTILE = 'evil"\n---\nlicense: mit\n# <script>alert(1)</script>'


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_without_push_no_connection_is_opened(tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    nine_problems(tmp_path / "c")
    assert main(["publish", "corpus", str(tmp_path / "c"), "--out", str(tmp_path / "p")]) == 0
    assert b"hf_secret" not in b"".join(file.read_bytes() for file in (tmp_path / "p").iterdir())
    with pytest.raises(AssertionError, match="a connection"):
        socket.create_connection(("127.0.0.1", 9))


def test_only_files_that_are_part_of_it_are_published(tmp_path: Path) -> None:
    folder = NEWEST.copy_to(tmp_path / "w") / "student"
    (folder / ".env").write_text("HF_TOKEN=hf_secret")
    (folder / "tokenizer.model").symlink_to("/etc/hostname")
    made = publish_student(folder, tmp_path / "p")
    assert {".env", "tokenizer.model"} < set(made.left_out) and not (tmp_path / "p" / ".env").exists()
    assert (tmp_path / "p" / "model.safetensors").is_file() and made.licence == "unknown"
    with pytest.raises(UsageError, match="already"):
        publish_student(folder, tmp_path / "p")


def test_hostile_names_end_neither_the_head_nor_a_line(tmp_path: Path) -> None:
    chain = Chain(Problem("made/0", "What is 1?", "1"), "It is 1.", HOSTILE)
    write_corpus(tmp_path / "c", [chain], card=Card(dataset=HOSTILE, licence=HOSTILE))
    made = publish_corpus(tmp_path / "c", tmp_path / "p")
    _, head, page = (tmp_path / "p" / "README.md").read_text().split("---\n", 2)
    assert "\nlicense: mit" not in head + page and "<script>" not in page and made.licence
    assert head.startswith('license: "other"')


def test_a_licence_is_carried_from_sources_that_share_it_and_else_unknown() -> None:
    gold = source_licences("gsm8k/train", ["gold"])
    assert licence_tags("", gold) == {"license": "mit"}
    assert licence_tags("", source_licences("gsm8k/train", ["openai/gpt-4o"])) == {"license": "unknown"}
    assert licence_tags("Apache-2.0", gold) == {"license": "apache-2.0"}


@pytest.mark.parametrize(
    ("base", "source", "named"),
    [("out/base", "7" * 32, ""), ("out/m.gguf", "7" * 64, ""), ("a/b", "7" * 40, "a/b"), ("a/b@1", "", "a/b"),
     ("hf://a/b@1", "", "a/b")],
)  # fmt: skip
def test_a_folder_of_this_machine_is_no_base_on_the_hub(base: str, source: str, named: str) -> None:
    page = student_page(StudentCard(base=base, base_source=source), "", has_curves=False)
    assert (f'base_model: "{named}"' in page.splitlines()) == bool(named) and ("base_model:" in page) == bool(named)


def test_a_whole_score_alone_becomes_an_eval_result() -> None:
    hub, yaml = pytest.importorskip("huggingface_hub"), pytest.importorskip("yaml")
    whole, some = (StudentScore(dataset="gsm8k/test", right=n // 2, graded=n, total=n) for n in (1319, 50))
    card = StudentCard(base="b", test=(whole, some))
    [(name, text)] = eval_results(card).items()
    [entry] = hub.parse_eval_result_entries(yaml.safe_load(text))
    assert name == ".eval_results/gsm8k.yaml" and entry.dataset_id == "openai/gsm8k" and 49 < entry.value < 50
    assert not eval_results(msgspec.structs.replace(card, training={"allow": ["test"]}))


def test_a_push_is_one_private_commit_and_says_what_pins_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("huggingface_hub")
    found = written_hub.WrittenHub()
    nine_problems(tmp_path / "c")
    with serving(written_hub.handler_for(found)) as found.url:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        options = ["--out", str(tmp_path / "p"), "--push", "--repo", written_hub.REPO]
        assert main(["publish", "corpus", str(tmp_path / "c"), *options]) == 0
    assert found.files.keys() == {file.name for file in (tmp_path / "p").iterdir()}
    assert found.created[0]["visibility"] == "private"
    assert f"hf://datasets/{written_hub.REPO}@{written_hub.COMMIT}" in capsys.readouterr().err


def test_a_file_of_the_hub_is_read_at_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, row = "b" * 40, b'{"question": "What is 1 plus one?", "answer": "2"}\n'
    with small_hub({("ann/sums", commit, "in/some.jsonl"): row}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        for _ in range(2):
            problems = load_problems(f"hf://datasets/ann/sums@{commit}/in/some.jsonl")
            assert [one.answer for one in problems] == ["2"] and problems.dataset == "some"
        assert len([one for one in hub.asked if one.startswith("GET")]) == 1, "a commit is not asked for twice"
    with pytest.raises(UsageError, match="no file of a data set"):
        load_problems("hf://datasets/ann/../x@main/some.jsonl")


def test_a_base_of_the_hub_is_pinned_by_its_commit() -> None:
    for name in ("hf://ann/tiny@abc", "ann/tiny@abc"):
        base = find_base(name)
        assert (base.repository, base.pinned) == ("ann/tiny", {"revision": "abc"}) and base.name == name
    assert find_base("ann/tiny").pinned == {}
