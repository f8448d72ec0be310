"""Foreign files of teachers' chains become corpora, recognised by what they hold, whole or not at all."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from real_data import whole
from stepdown.corpus import Corpus
from stepdown.errors import BadRow, UsageError
from stepdown.exchange import export_corpus, import_corpus

pytest.importorskip("polars", reason="corpora need the extra `data`")
SLED = "The sled is fast on _____ (A) ice (B) sand"


def chain(text: str, pred: str | None, correct: bool | int, **more: Any) -> dict[str, Any]:
    return {"teacher": "gpt3", "variant": "v", "gold_conditioned": False, "text": text, "pred": pred} | {
        "correct": bool(correct),
        **more,
    }


POOL: list[dict[str, Any]] = [
    {"id": "q-0", "question": SLED, "answer": "(A)", "chains": [chain("Ice.", "(A)", True), chain("?", None, False)]},
    {"id": "q-1", "question": "Sun?", "choices": {"A": "n", "B": "y"}, "answer": "B", "chains": [chain(".", "B", 1)]},
    {"id": "q-2", "question": "How many?", "answer": "1,200", "chains": [chain("Many.", "1200", True)]},
    {"id": "q-3", "question": "When?", "answer": "05/02/2021", "chains": [chain("Soon.", "05/03/2021", False)]},
]  # fmt: skip


def lines(path: Path, rows: Iterable[Any]) -> Path:
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(body) if path.suffix == ".gz" else body)
    return path


def array(path: Path, rows: Iterable[Any], indent: int | None = None) -> Path:
    path.write_text(json.dumps(list(rows), indent=indent), encoding="utf-8")
    return path


def said(question: str, text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": text}], **more}


def imported(path: Path) -> Corpus:
    return import_corpus(path, path.with_name("corpus"))


# --- pools


@pytest.mark.parametrize("name", ["quarel_train.jsonl", "quarel_train.jsonl.gz"])
def test_a_pool_keeps_its_own_grades_with_labels_in_our_letters_and_numbers(tmp_path: Path, name: str) -> None:
    corpus = imported(lines(tmp_path / name, POOL))
    found = [(one.problem.kind, one.problem.answer, one.grade.verdict, one.grade.found) for one in corpus]
    assert found == [
        ("choice", "A", "right", "A"),
        ("choice", "A", "wrong", None),
        ("choice", "B", "right", "B"),
        ("number", "1200", "right", "1200"),
        ("text", "05/02/2021", "wrong", "05/03/2021"),
    ]
    assert corpus.card.graders == ("pool",) and corpus.card.dataset == "quarel/train"


def test_choices_written_into_a_question_are_taken_out_of_it(tmp_path: Path) -> None:
    problem = next(iter(imported(lines(tmp_path / "quarel_train.jsonl", POOL)))).problem
    assert (problem.id, problem.question, problem.choices) == (
        "quarel/train/q-0", "The sled is fast on _____", ("ice", "sand"),
    )  # fmt: skip


def test_the_card_says_what_could_not_be_read_and_whether_our_reader_agrees(tmp_path: Path) -> None:
    notes = imported(lines(tmp_path / "pool.jsonl", POOL)).card.notes
    assert "1 chains have no label in the pool: they count as wrong" in notes
    assert any("were read by our own reader too" in note for note in notes)


def test_a_chain_whose_teacher_saw_the_gold_says_so(tmp_path: Path) -> None:
    row = POOL[2] | {"chains": [chain("Many.", "1200", True, gold_conditioned=True)]}
    assert next(iter(imported(lines(tmp_path / "pool.jsonl", [row])))).gold_conditioned


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "problems", "chains", "right"),
    [
        pytest.param(name, *counts, marks=pytest.mark.whole(f"pools/{name}.jsonl.gz"))
        for name, *counts in (
            ("quarel_train", 1930, 9650, 8203),
            ("svamp_train", 700, 20261, 18432),
            ("asdiv_train", 1422, 4269, 4269),
        )
    ],
)
def test_a_released_pool_comes_in_whole(tmp_path: Path, name: str, problems: int, chains: int, right: int) -> None:
    card = import_corpus(whole(f"pools/{name}.jsonl.gz"), tmp_path / name).card
    assert (card.problems, card.chains, card.right) == (problems, chains, right)
    assert not any("label" in note and "no label" in note for note in card.notes) or name == "svamp_train"


# --- the released files of SCoTD


def sampled(index: int, question: str, rationale: str, label: str, score: int, **more: Any) -> dict[str, Any]:
    shots = "Q: Which? (A) x (B) y\nA: Because. So the answer is: (B)\n\n"
    response = f" {rationale} So the answer is: {label}\n\n"
    return {"prompt": f"{shots}Q: {question}\nA: ", "response": response, "score": score, "index": index} | {
        "rationale": rationale,
        **more,
    }


CHOICES = "Sun?\nAnswer Choices:\n(a) no\n(b) yes"
SCOTD = [
    sampled(7, SLED, "It slides.", "(A)", 1, token_probs=[-0.5, -1.5], tokens=["It", " slides"]),
    sampled(3, CHOICES, "It shines.", "(b)", 1),
    sampled(7, SLED, "Sand is hot.", "(B)", 0, token_probs=[None, float("nan")], tokens=["a", "b"]),
    sampled(7, SLED, "Hm.", "(F)", 0),
    sampled(9, "Up? (A) yes (B) no", "No.", "(B)", 0),
]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_released_file_of_scotd_gives_gold_labels_and_log_probabilities(tmp_path: Path, indent: int | None) -> None:
    corpus = imported(array(tmp_path / "quarel_30x.json", SCOTD, indent))
    first, second, third = [chain for chain in corpus if chain.problem.id == "quarel_30x/7"]
    assert (first.problem.question, first.problem.answer) == ("The sled is fast on _____", "A")
    assert first.text == " It slides. So the answer is: (A)"
    assert (first.logprob, first.tokens, first.grade.found) == (-1.0, 2, "A")
    assert (second.logprob, second.grade.verdict, second.grade.found) == (None, "wrong", "B")
    assert (third.grade.verdict, third.grade.found, third.sample) == ("wrong", None, 2)


def test_choices_below_a_question_of_scotd_are_taken_out_of_it(tmp_path: Path) -> None:
    problems = {one.problem.id: one.problem for one in imported(array(tmp_path / "csqa_30x.json", SCOTD))}
    assert (problems["csqa_30x/3"].question, problems["csqa_30x/3"].choices) == ("Sun?", ("no", "yes"))


def test_a_problem_of_scotd_without_a_right_chain_has_no_gold_and_is_ungraded(tmp_path: Path) -> None:
    corpus = imported(array(tmp_path / "quarel_30x.json", SCOTD))
    last = list(corpus)[-1]
    assert (last.problem.answer, last.grade.verdict, last.grade.found) == ("", "ungraded", "B")
    assert any(note.startswith("1 problems have no chain that scored 1") for note in corpus.card.notes)


def test_a_prompt_of_another_form_is_refused_by_its_place(tmp_path: Path) -> None:
    path = array(tmp_path / "quarel_30x.json", [*SCOTD, SCOTD[0] | {"prompt": "Question: why?"}])
    with pytest.raises(BadRow, match="line 6, column `prompt`"):
        imported(path)


def test_scores_that_name_two_golds_are_refused(tmp_path: Path) -> None:
    path = array(tmp_path / "quarel_30x.json", [*SCOTD, sampled(7, SLED, "No.", "(B)", 1)])
    with pytest.raises(UsageError, match="`A` and in `B`"):
        imported(path)


# --- chats


def test_chats_about_the_same_question_are_one_problem_wherever_they_stand(tmp_path: Path) -> None:
    rows = [said("2+2?", "Four.\nAnswer: 4"), said("3+3?", "Answer: 6"), said("2+2?", "Hm.\nAnswer: 5")]
    found = [(one.problem.id, one.sample, one.grade.found) for one in imported(lines(tmp_path / "c.jsonl", rows))]
    assert found == [("c/0", 0, "4"), ("c/0", 1, "5"), ("c/1", 0, "6")]


def test_chats_without_a_gold_are_ungraded_but_labelled(tmp_path: Path) -> None:
    rows = [said("2+2?", "Four.\nAnswer: 4"), said(SLED, "Ice.\nAnswer: (a)"), said("Who?", "Ann, I think.")]
    corpus = list(imported(lines(tmp_path / "c.jsonl", rows)))
    assert [(one.problem.kind, one.grade.found) for one in corpus] == [("number", "4"), ("choice", "A"), ("text", None)]
    assert {one.grade.verdict for one in corpus} == {"ungraded"}


def test_half_of_a_surrogate_pair_in_a_chat_becomes_a_question_mark(tmp_path: Path) -> None:
    corpus = imported(lines(tmp_path / "chats.jsonl", [said("Which\ud83d?", "Sure. \udc00\nAnswer: 2", answer="2")]))
    [one] = corpus
    assert (one.problem.question, one.text, one.grade.verdict) == ("Which??", "Sure. ?\nAnswer: 2", "right")


def test_chats_with_a_column_answer_are_graded_by_it(tmp_path: Path) -> None:
    rows = [said("2+2?", "Answer: 4", answer=4, model="openai/x"), said("2+2?", "Answer: 5")]
    corpus = list(imported(lines(tmp_path / "c.jsonl", rows)))
    assert [(one.grade.verdict, one.teacher) for one in corpus] == [("right", "openai/x"), ("wrong", "unknown")]


def test_a_question_with_two_golds_is_refused(tmp_path: Path) -> None:
    rows = [said("2+2?", "Answer: 4", answer="4"), said("2+2?", "Answer: 5", answer="5")]
    with pytest.raises(UsageError, match="two golds"):
        imported(lines(tmp_path / "c.jsonl", rows))
    assert [path.name for path in tmp_path.iterdir()] == ["c.jsonl"]


def test_sharegpt_and_prompts_with_completions_come_in_alike(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "Answer: 4"}]
    forms: dict[str, list[dict[str, Any]]] = {
        "share": [{"conversations": [{"from": "system", "value": "Be brief."}, *turns]}],
        "plain": [{"prompt": "2+2?", "completion": "Answer: 4"}],
        "turns": [{"prompt": said("2+2?", "")["messages"][:1], "completion": said("", "Answer: 4")["messages"][1:]}],
    }
    for name, rows in forms.items():
        one = next(iter(import_corpus(array(tmp_path / f"{name}.json", rows), tmp_path / name)))
        assert (one.problem.question, one.text, one.grade.found) == ("2+2?", "Answer: 4", "4")


def test_the_last_question_of_a_longer_conversation_counts_and_the_card_says_so(tmp_path: Path) -> None:
    row = {"messages": said("1+1?", "Answer: 2")["messages"] + said("2+2?", "Answer: 4")["messages"]}
    corpus = imported(lines(tmp_path / "c.jsonl", [row]))
    assert [one.problem.question for one in corpus] == ["2+2?"]
    assert any(note.startswith("in 1 rows") for note in corpus.card.notes)


# --- there and back


@pytest.mark.parametrize("to", ["messages", "prompt-completion", "sharegpt", "parquet"])
def test_what_was_exported_comes_back_with_the_same_questions_and_texts(tmp_path: Path, to: str) -> None:
    corpus = imported(lines(tmp_path / "pool.jsonl", POOL))
    path = tmp_path / f"out.{'parquet' if to == 'parquet' else 'jsonl'}"
    assert export_corpus(corpus, to, path) == 4
    back = list(import_corpus(path, tmp_path / "back"))
    there = [one for one in corpus if one.grade.found is not None]
    assert [(one.problem.question, one.problem.choices) for one in back] == [
        (one.problem.question, one.problem.choices) for one in there
    ]
    assert [one.text.rpartition("\nAnswer: ")[2] for one in back] == [one.grade.found for one in there]


@pytest.mark.slow
@pytest.mark.whole("pools/quarel_train.jsonl.gz")
def test_a_whole_pool_goes_out_as_messages_and_comes_back(tmp_path: Path) -> None:
    corpus = import_corpus(whole("pools/quarel_train.jsonl.gz"), tmp_path / "pool")
    rows = export_corpus(corpus, "messages", tmp_path / "out.jsonl")
    back = import_corpus(tmp_path / "out.jsonl", tmp_path / "back")
    questions = [(one.problem.question, one.problem.choices, one.grade.found) for one in corpus]
    assert rows == 9650
    assert sorted((one.problem.question, one.problem.choices, one.grade.found) for one in back) == sorted(questions)
    with (tmp_path / "out.jsonl").open() as file:
        texts = sorted(json.loads(line)["messages"][-1]["content"] for line in file)
    assert sorted(one.text for one in back) == texts


# --- bad input


def bad_rows() -> dict[str, tuple[str, bytes, str]]:
    good = json.dumps(POOL[0]).encode() + b"\n"
    gold = json.dumps({name: value for name, value in POOL[1].items() if name != "answer"}).encode() + b"\n"
    return {
        "an invalid line": ("p.jsonl", good + b'{"id": "q-1", "question"\n', "line 2, column `the row`"),
        "a missing gold": ("p.jsonl", good + gold, "line 2, column `answer`: expected a gold answer"),
        "an id twice": ("p.jsonl", good + good, "line 2, column `id`"),
        "a cut gzip": ("p.jsonl.gz", gzip.compress(good)[:-9], "a whole gzip file"),
        "a label that is no text": ("p.jsonl", good.replace(b'"(A)", "correct"', b'{}, "correct"'), "column `chains`"),
        "another encoding": ("p.jsonl", good.replace(b"Ice", b"\xff"), f"0xff at position {good.find(b'Ice') + 1}"),
        "a cut array": ("c.json", b'[{"messages": []}', "line 1, column `messages`"),
        "an array without an end": ("c.json", json.dumps([said("2?", "Answer: 2")])[:-1].encode(), "end of the array"),
        "an array of numbers": ("c.json", b"[1, 2]", "expected a JSON object, found `1`"),
        "no answer": ("c.jsonl", b'{"messages": [{"role": "user", "content": "?"}]}', "turns by: user"),
        "no turns": ("c.jsonl", b'{"messages": "hello"}', "a list of turns"),
        "blank lines": ("c.jsonl", b"\n\n", "at least one row"),
        "deep nesting": ("c.jsonl", b"[" * 100_000, "the row"),
    }  # fmt: skip


@pytest.mark.parametrize("case", bad_rows())
def test_a_bad_file_is_refused_by_its_place_and_leaves_nothing(tmp_path: Path, case: str) -> None:
    name, body, expected = bad_rows()[case]
    (tmp_path / name).write_bytes(body)
    with pytest.raises(BadRow) as caught:
        imported(tmp_path / name)
    assert expected in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("body", "expected"), [(b"", "is empty"), (b'{"a": 1}', "not of a known form.*`a`")])
def test_a_file_without_chains_is_refused(tmp_path: Path, body: bytes, expected: str) -> None:
    (tmp_path / "c.jsonl").write_bytes(body)
    with pytest.raises(UsageError, match=expected):
        imported(tmp_path / "c.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["c.jsonl"]


def test_a_corpus_that_is_there_is_not_replaced_without_force(tmp_path: Path) -> None:
    path = lines(tmp_path / "pool.jsonl", POOL)
    imported(path)
    with pytest.raises(UsageError, match="is there already"):
        imported(path)
    assert import_corpus(path, tmp_path / "corpus", force=True).card.chains == 5


def test_progress_is_told_the_bytes_that_are_read(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = lines(tmp_path / "c.jsonl", (said(f"{at}+0?", f"Answer: {at}") for at in range(2_500)))
    import_corpus(path, tmp_path / "corpus", progress=lambda done, total: told.append((done, total)))
    assert len(told) == 3 and told[-1] == (path.stat().st_size, path.stat().st_size)
