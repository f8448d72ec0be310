"""Filters of task files leave of replies what lm_eval 0.4.13 leaves of them, and vote as it votes."""

import asyncio
from typing import Any

import pytest

from stepdown.errors import UsageError
from stepdown.exchange.lm_eval_filters import HarnessFilter, HarnessGrader, Matching
from stepdown.types import Problem

PROBLEM = Problem("sums/0", "Which?", "(B)", kind="text")
CHOICES = {"function": "multi_choice_regex", "ignore_case": True, "ignore_punctuation": True}
REGEX = {"function": "regex", "regex_pattern": "[0-9]+"}
VOTE, FIRST = {"function": "majority_vote"}, {"function": "take_first"}


class Documents:
    """One document with three choices."""

    def golds(self, problem: Problem) -> tuple[str, ...]:
        return (problem.answer, "12")

    def document(self, problem: Problem) -> dict[str, Any]:
        return {"choices": ["Guilty", "Guilty of Romance", "None."]}


def grader(*steps: dict[str, Any]) -> HarnessGrader:
    return HarnessGrader(HarnessFilter("one", steps), Matching(), "task.yaml", Documents())


def found(said: str, *steps: dict[str, Any]) -> tuple[str | None, str]:
    grade = asyncio.run(grader(*steps)(PROBLEM, said))
    return grade.found, grade.verdict


@pytest.mark.parametrize(
    ("more", "said", "left"),
    [
        ({"regex_pattern": r"(\([A-Z]\))"}, "It is (B) or (C)", "(B)"),
        ({"regex_pattern": r"(\([A-Z]\))", "group_select": -1}, "It is (B) or (C)", "(C)"),
        ({"regex_pattern": r"(\([A-Z]\))"}, "he is guilty OF romance!", "(B)"),
        ({"regex_pattern": r"(\([A-Z]\))"}, "guilty of it", "(A)"),
        ({"regex_pattern": r"(\([A-Z]\))"}, "So: C", "(C)"),
        ({"regex_pattern": r"(\([A-Z]\))"}, "So: D", "[invalid]"),
        ({"regex_pattern": r"(\([A-Z]\))", "fallback": "?"}, "", "?"),
        ({"regex_pattern": "x", "regexes_to_ignore": ["ui"], "ignore_case": False}, "none, Glty", "(A)"),
    ],
)
def test_a_choice_is_found_by_the_pattern_then_by_its_text_then_by_a_letter(
    more: dict[str, Any], said: str, left: str
) -> None:
    assert found(said, CHOICES | more, FIRST) == (left, "right" if left == "(B)" else "wrong")


def test_a_text_is_what_a_map_says_of_it() -> None:
    step = {"function": "map", "mapping_dict": {"two": "(B)"}}
    assert found("two", step) == ("(B)", "right") and found("one", step | {"default_value": "?"}) == ("?", "wrong")
    assert found("one", step) == (None, "ungraded")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([REGEX, VOTE, FIRST], "12"),
        ([VOTE, REGEX], "11"),
        ([{"function": "take_first_k", "k": 2}, REGEX, VOTE, FIRST], "11"),
        ([{"function": "take_first_k", "k": 4}, REGEX, VOTE, FIRST], "[invalid]"),
    ],
)
def test_replies_vote_letter_for_letter_and_of_equals_the_first_wins(
    steps: list[dict[str, Any]], expected: str
) -> None:
    said = ["11", "none", "no", "12.0", "is 12", "12"]
    grade = asyncio.run(grader(*steps).vote(PROBLEM, said))
    assert (grade.found, grade.verdict) == (expected, "right" if expected == "12" else "wrong")


def test_a_vote_without_all_its_replies_is_none() -> None:
    first = grader({"function": "take_first_k", "k": 2}, VOTE)
    assert asyncio.run(first.vote(PROBLEM, ["12", "12", None])).verdict == "right"
    for said in (["12"], ["12", None]):
        assert asyncio.run(first.vote(PROBLEM, said)).verdict == "ungraded"
    assert asyncio.run(first(PROBLEM, "12")).why == "its filter votes, and one reply is no vote"


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([FIRST, REGEX], "`take_first`"),
        ([VOTE, VOTE], "`majority_vote`"),
        ([{"function": "take_first_k", "k": 2}], "`take_first_k`"),
        ([{"function": "take_first_k", "k": 0}, VOTE], "`take_first_k`"),
        ([{"function": "format_span"}], "`format_span`"),
        ([{"function": ["regex"]}], r"`\['regex'\]`"),
        ([{"function": "map", "mapping_dict": {"a": 1}}], "mapping_dict"),
        ([REGEX] * 33, "33 steps"),
        ([{"function": "regex", "regex_pattern": "(?R)?a"}], "no regular expression"),
    ],
)
def test_other_steps_and_other_places_are_refused_by_name(steps: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        grader(*steps)


def test_patterns_have_half_a_second_together_for_a_reply() -> None:
    slow = {"function": "regex", "regex_pattern": "(a|aa)+$", "fallback": "a" * 5_000 + "b"}
    assert found("aaa", slow) == ("a", "wrong")
    grade = asyncio.run(grader(*[slow] * 32)(PROBLEM, "a" * 5_000 + "b"))
    assert grade.verdict == "ungraded" and "cannot read it" in grade.why
