"""Task files of lm-evaluation-harness are read as far as they are data; whatever else they have is refused by name."""

from io import BytesIO
from pathlib import Path

import polars
import pytest

import stepdown as sd
from harness_task import TASK, write_task
from small_hub import small_hub
from stepdown.errors import UsageError
from stepdown.exchange import load_task
from stepdown.problems.loading import BENCHMARKS

# 101 is only shown before the last problem.
SHOWN = "fewshot_config: {%s: \"{{%s if '101' in question else answer}}\"}\noutput_type"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("process_docs: !function utils.process_docs", r"`process_docs`.* is code: `!function utils\.process_docs`"),
        ("doc_to_text: !function os.system", r"`doc_to_text`.* is code"),
        ("fewshot_config: {samples: !function utils.shots}", r"`fewshot_config\.samples`.* is code: `!function utils"),
        ("fewshot_config: {fewshot_indices: [1]}", r"`fewshot_config\.fewshot_indices`.* leaves unread"),
        (
            "process_results: !function utils.a\ngen_prefix: !function utils.b",
            r"`process_results`.* is code: .*; so is `gen_prefix`\n",
        ),
        ("metric_list: [{metric: !function utils.f1}]", r"`metric_list\.0\.metric`.* is code"),
        ("metric_list: [{metric: exact_match}, {metric: f1}]", r"`metric_list`.* is `f1`"),
        ("output_type: multiple_choice", r"`output_type`.* is `multiple_choice`"),
        ("metric_list: [{metric: bleu}]", r"`metric_list`.* is `bleu`"),
        ("use_prompt: x", "has the key `use_prompt`"),
        ("doc_to_image: x", "has the key `doc_to_image`"),
        ("generation_kwargs: {num_beams: 3}", r"num_beams.*generation_kwargs"),
        ("fewshot_config: {sampler: balanced}", r"`fewshot_config\.sampler`.* is `balanced`"),
        ("dataset_kwargs: {trust_remote_code: true, features: {}}", r"features.*dataset_kwargs"),
        ("num_fewshot: 1000000", r"`num_fewshot`.* is `1000000`"),
        ("doc_to_text: [1]", r"doc_to_text"),
        ("include: sums.yaml", "included twice"),
        ('include: "a\\0b"', "cannot read `.*null byte"),
        ("include: " + "a" * 5_000, "cannot read `.*too long"),
        ("tag: !!set {a, b}", "cannot read .*set"),
        ("a: &a [x]\nb: *a", "alias"),
        ("a: !!python/object/apply:os.system [echo]", "cannot read"),
        ("? [a]\n: b", "cannot read|no task file"),
        ("[" * 5_000, "cannot read"),
    ],
)
def test_what_is_beyond_the_subset_is_refused_by_its_key(more: str, said: str, tmp_path: Path) -> None:
    assert load_task(write_task(tmp_path)).name == "sums"
    with pytest.raises(UsageError, match=said) as refused:
        load_task(write_task(tmp_path, more=more + "\n"))
    assert refused.value.hint


def test_a_file_has_the_keys_of_those_that_it_includes_under_its_own(tmp_path: Path) -> None:
    write_task(tmp_path)
    other = tmp_path / "other.yaml"
    other.write_text("include: sums.yaml\ntask: more\nnum_fewshot: 0\n")
    task = load_task(other)
    assert (task.name, task.config.num_fewshot, task.config.description) == ("more", 0, "Add.\n\n")


def test_code_of_a_key_is_left_out_by_a_file_that_includes_the_task(tmp_path: Path) -> None:
    path = write_task(
        tmp_path, more="process_docs: !function utils.docs\nmetric_list: [{metric: !function utils.f1}]\n"
    )
    own = tmp_path / "own.yaml"
    own.write_text(f"include: {path}\nprocess_docs: null\nmetric_list: [{{metric: exact_match}}]\n")
    with pytest.raises(UsageError, match="is code"):
        load_task(path)
    assert [one.answer for one in load_task(own).problems] == [str(n) for n in range(11, 17)]


def test_a_link_to_a_task_is_the_task_and_includes_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "theirs" / "sums").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    write_task(tmp_path / "theirs")
    (tmp_path / "theirs" / "sums" / "more.yaml").write_text("include: ../sums.yaml\ntask: more\n")
    link = tmp_path / "mine" / "link.yaml"
    link.symlink_to(tmp_path / "theirs" / "sums" / "more.yaml")
    assert load_task(link).config.description == "Add.\n\n"


def test_what_is_included_is_a_small_file_of_keys_and_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("root:x:0:0\nkey = secret\n")
    (tmp_path / "keys.yaml").write_text("token: secret\n")
    for name, said in (
        ("words.txt", "cannot read|no task file"),
        ("keys.yaml", "key `token`"),
        ("/dev/zero", "no file"),
    ):
        with pytest.raises(UsageError, match=said) as refused:
            load_task(write_task(tmp_path, more=f"include: {name}\n"))
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize("width", [1, 2, 50])
def test_includes_are_bounded_in_depth_and_width(width: int, tmp_path: Path) -> None:
    for n in range(40):
        (tmp_path / f"{n}.yaml").write_text(f"include: [{', '.join([f'{n + 1}.yaml'] * width)}]\n")
    with pytest.raises(UsageError, match="is included twice, or is one of more than 16 files"):
        load_task(tmp_path / "0.yaml")


def test_files_that_are_included_are_large_together(tmp_path: Path) -> None:
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text("tag: x\n#" + "-" * 200_000)
    assert load_task(write_task(tmp_path, more="include: one.yaml\n")).name == "sums"
    with pytest.raises(UsageError, match=r"two\.yaml` is larger than 256 KiB with what includes it"):
        load_task(write_task(tmp_path, more="include: [one.yaml, two.yaml]\n"))


def test_a_large_file_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    path = write_task(tmp_path, more="#" * (1 << 18))
    for file, said in ((path, "larger than"), (tmp_path / "no.yaml", "no file"), (tmp_path, "no file")):
        with pytest.raises(UsageError, match=said):
            load_task(file)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("data_files: {test: test.jsonl", "data_files: {dev: test.jsonl"), "no split `test`"),
        (("test_split: test\n", ""), "names no `test_split`"),
        (("dataset_path: json", "dataset_path: some/where"), "`some/where`, whose files are not known"),
        (("num_fewshot: 2", "num_fewshot: 7"), "7 demonstrations of 6"),
        (("{test: test.jsonl", "{test: gone.jsonl"), "no file `gone.jsonl`"),
        (("{test: test.jsonl", "{test: " + "a" * 5_000), "cannot read `data_files`.*too long"),
        (
            ("output_type", SHOWN % ("doc_to_target", "[1]")),
            "demonstration's `doc_to_target`.* must be a text, found int",
        ),
        (("output_type", SHOWN % ("doc_to_text", "gone")), r"`fewshot_config\.doc_to_text`.* does not fit a row"),
        (('"Add.', "\"{{gone if '15' in question else 'Add.'}}"), "`description`.* does not fit a row"),
    ],
)
def test_data_that_cannot_be_had_or_do_not_fit_are_said_before_anything_is_asked(
    change: tuple[str, str], said: str, tmp_path: Path
) -> None:
    assert TASK.count(change[0]) == 1
    path, student = str(write_task(tmp_path, TASK.replace(*change))), sd.ScriptedModel(["#### 11"] * 6, width=1)
    with sd.Store(tmp_path / "s.sqlite") as store, pytest.raises(UsageError, match=said):
        sd.run(path, path, student=student, grader=path, store=store)
    assert student.calls == []


def test_a_task_over_a_known_benchmark_has_its_pinned_files_from_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = BENCHMARKS["gsm8k"].hub
    text = TASK.replace("num_fewshot: 2", "num_fewshot: 0").replace("dataset_path: json", f"dataset_path: {where.repo}")
    path, body = write_task(tmp_path, text), BytesIO()
    polars.DataFrame([{"question": "Two and two?", "answer": "4\n#### 4"}]).write_parquet(body)
    with small_hub({(where.repo, where.revision, where.files["test"][0]): body.getvalue()}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        assert [(one.id, one.answer) for one in load_task(path).problems] == [("sums/0", "4")]
        hub.files.clear()
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "other"))
        with pytest.raises(UsageError, match="did not give") as refused:
            [*load_task(path).problems]
        assert "data_files" in refused.value.hint
