"""What a student is trained on says the chain's steps and its label, in the words a run asks and grades by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepdown.answers import conclusion
from stepdown.corpus import TARGETS, Example, target
from stepdown.corpus.targets import label, rationale
from stepdown.errors import UnknownName
from stepdown.methods import CHAIN_OF_THOUGHT
from stepdown.prompts import SCOTD, load_prompts, question_text
from stepdown.types import Chain, Grade, Kind, Message, Problem, Prompt, Verdict

EGGS = Problem("made/1", "How many eggs does she sell a week?", "63")
MAT = Problem("made/2", "Which is rougher?", "B", ("ice", "a mat"), "choice")
STEPS = "She sells 16 - 7 = 9 eggs a day. A week has 7 days. 9 * 7 = 63."


def chain(text: str, found: str | None = "63", *, problem: Problem = EGGS, verdict: Verdict = "right") -> Chain:
    return Chain(problem, text, "big", grade=Grade(verdict, found))


def made(text: str, kind: str = "chain", *, prompts: str = "student") -> str:
    example = target(chain(text), kind, prompts=prompts)
    assert example is not None
    return example.completion


@pytest.mark.parametrize(
    ("end", "left"),
    [
        ("\nAnswer: 63", ""),
        ("\n\n**Final answer:** 63 eggs\n", ""),
        ("\n#### 63", ""),
        (" So the answer is: (63).", ""),
        (" Therefore, the final answer is $\\boxed{63}$.", ""),
        ("\n\n$$\\boxed{63}$$", ""),
        (" That makes 63 eggs, so the answer is 63.", " That makes 63 eggs."),
        (" The answer is 63 because 9 * 7 is.", " The answer is 63 because 9 * 7 is."),
        (" This proves that our answer is correct.", " This proves that our answer is correct."),
        (" She gave the wrong answer: 3", " She gave the wrong answer: 3"),
    ],
)
def test_a_chain_loses_its_own_answer_line_and_no_reasoning(end: str, left: str) -> None:
    assert rationale(chain(STEPS + end)) == STEPS + left


def test_an_answer_in_the_middle_of_a_chain_stays() -> None:
    text = "Answer: 63\nNine eggs a day, seven days.\nDo you see it?"
    assert rationale(chain(text)) == text


def test_a_chain_is_followed_by_its_label() -> None:
    assert made(STEPS + " So the answer is 63.") == f"{STEPS}\nAnswer: 63"


def test_a_label_alone_and_a_label_first() -> None:
    assert made(STEPS, "label") == "Answer: 63"
    assert made(STEPS + "\n#### 63", "answer-first") == f"Answer: 63\n{STEPS}"


def test_shuffled_sentences_are_the_same_in_another_order() -> None:
    body, _, answer = made(STEPS, "shuffled").rpartition("\n")
    assert answer == "Answer: 63" and body != STEPS
    assert sorted(body.split()) == sorted(STEPS.split())
    assert body == made(STEPS, "shuffled").rpartition("\n")[0]


def test_filler_is_as_long_as_the_chain_and_says_nothing() -> None:
    assert made("Nine eggs, seven days.", "filler") == "... ... ... ... ... ...\nAnswer: 63"


def test_the_words_of_scotd_close_with_a_choice_in_brackets() -> None:
    mat = chain("Mats are rough. So the answer is (B).", "B", problem=MAT)
    assert target(mat, prompts="scotd") == Example(
        SCOTD.render(CHAIN_OF_THOUGHT, Prompt("solve", MAT)), "Mats are rough. So the answer is: (b)"
    )
    assert made(STEPS, prompts="scotd") == f"{STEPS} So the answer is: 63"


def test_the_question_is_what_a_run_asks_its_student() -> None:
    example = target(chain(STEPS, "B", problem=MAT))
    assert example is not None and example.question == (Message("user", question_text(MAT)),)
    words = load_prompts("default")
    assert (target(chain(STEPS), prompts=words) or example).question == words.render(
        CHAIN_OF_THOUGHT, Prompt("solve", EGGS)
    )


def test_a_plan_is_asked_for_as_a_plan_and_needs_no_label() -> None:
    plan = target(chain("1. Halve it.\n2. Add.\n", None, verdict="ungraded"), "plan")
    assert plan is not None and plan.completion == "1. Halve it.\n2. Add."
    assert plan.question[0].content.endswith("Plan:")


@pytest.mark.parametrize("kind", sorted(set(TARGETS) - {"plan"}))
def test_a_chain_without_a_label_is_no_example(kind: str) -> None:
    assert target(chain(STEPS, None, verdict="wrong"), kind) is None


def test_a_wrong_chain_keeps_its_teachers_label() -> None:
    assert label(chain(STEPS, "64", verdict="wrong")) == "64"


def test_a_chain_that_is_right_though_unread_has_the_gold_for_label() -> None:
    assert label(chain(STEPS, None)) == "63"


@pytest.mark.parametrize(
    ("kind", "found", "said"),
    [("number", "$2,125.00", "2125"), ("number", "1/2", "0.5"), ("number", "none", None), ("choice", "(b)", "B"),
     ("choice", "ice", None), ("expression", "x^{2}\n+ 1", "x^{2} + 1"), ("text", " May 1 ", "May 1")],
)  # fmt: skip
def test_a_label_is_spelled_by_its_kind(kind: Kind, found: str, said: str | None) -> None:
    assert label(chain(STEPS, found, problem=Problem("made/3", "?", "gold", kind=kind))) == said


@given(st.integers(-(10**9), 10**9), st.sampled_from(["student", "scotd"]), st.sampled_from(["chain", "label"]))
def test_the_grader_reads_in_a_completion_the_label_it_was_made_of(value: int, prompts: str, kind: str) -> None:
    example = target(chain(STEPS, str(value)), kind, prompts=prompts)
    assert example is not None and conclusion(example.completion, "number").found == str(value)


@given(
    st.text(max_size=400)
    | st.lists(st.sampled_from(["so ", "the ", "answer", " is ", ": ", "\n", "#### ", "("])).map("".join)
)
def test_no_text_breaks_a_target(text: str) -> None:
    for kind in TARGETS:
        assert target(chain(text), kind) is not None


def test_an_unknown_target_or_prompt_set_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean `chain`"):
        target(chain(STEPS), "chian")
    with pytest.raises(UnknownName):
        target(chain(STEPS), prompts="nobody")
