"""Patterns of strangers find and replace as `re` does, within half a second and the longest text."""

import re
import time
import tracemalloc
from contextlib import suppress

import pytest

from stepdown.errors import UsageError
from stepdown.exchange.lm_eval_patterns import LONGEST, compile_pattern, first_group, nth, one_limit, substitute

SLOW, HARD = "(a|aa)+$", "a" * 5_000 + "b"


@pytest.mark.parametrize("place", [0, 1, -1, -2])
@pytest.mark.parametrize("pattern", ["b", "(b)|c", "(x)?(b)(c)?", "x*", "(x*)"])
def test_a_match_is_the_one_that_findall_has_there(pattern: str, place: int) -> None:
    there = re.findall(pattern, "abcabb")[place]
    match = nth(compile_pattern(pattern, "regex", "task.yaml"), "abcabb", place)
    found = first_group(match)
    assert found == (next((one for one in there if one), None) if isinstance(there, tuple) else there)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\w+", r"\W", r"\b", r"\B.", r"[\w'\]]+", r"[^\w\\]+", r"\\w", r"(?a)\w+", r"[]\w]+", r"[^\W\d_]+", r"[\W1]+",
        r"\s", r"\S+", r"[^\s]+", r"(?a)\s+",
    ],
)  # fmt: skip
def test_words_and_blanks_end_where_python_ends_them(pattern: str) -> None:
    text = "\\we'll []हिन्दी x² a\u0301b_1 \u203f\x1cx\x85\u2028y \\w"
    compiled = compile_pattern(pattern, "regex", "task.yaml")
    assert [one[0] for one in compiled.finditer(text)] == re.findall(pattern, text)


@pytest.mark.parametrize(
    "pattern",
    [
        "{in}", "b{e}", "(?:sum){e<=1}", "(?:sum){i,d}", r"b\\{e<=1}", "x{e:[a-z]}", "(?a)b{e}", "[[:alpha:]]",
        "[^[:alpha:]]", "b{1,2}", "b{,1}", "b{1,}?", "b{,}", "b{}", r"\{e\}", "[{]e", r"\N{DIGIT ONE}",
    ],
)  # fmt: skip
def test_what_regex_alone_takes_for_more_is_the_characters_that_python_reads(pattern: str) -> None:
    text = r"a {in} b{e} sun b\{e<=1} bb xa] :] b{} {e} 1"
    compiled = compile_pattern(pattern, "regex", "task.yaml")
    assert [one[0] for one in compiled.finditer(text)] == [one[0] for one in re.finditer(pattern, text)]


def test_where_there_are_fewer_matches_nothing_is_taken_for_one() -> None:
    pattern = compile_pattern("b", "regex", "task.yaml")
    assert nth(pattern, "aaa", 3) is None
    with pytest.raises(ValueError, match="found 2, and the task asks for number -3"):
        nth(pattern, "abab", -3)


@pytest.mark.parametrize(("pattern", "by"), [("b", "-"), ("x*", "-"), ("(a)(b)?", r"\2\g<1>"), ("", ""), ("$", "!")])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_what_is_found_is_replaced_as_sub_replaces(pattern: str, by: str, count: int) -> None:
    made = substitute(compile_pattern(pattern, "regex", "task.yaml"), by, "abxaab", count)
    assert made == re.sub(pattern, by, "abxaab", count=count)


def test_a_pattern_that_would_take_for_ever_is_ended_and_takes_the_time_of_those_after_it() -> None:
    pattern = compile_pattern(SLOW, "regex", "task.yaml")
    assert nth(pattern, "aaa", 0)[0] == "aaa"
    with one_limit():
        for more in (HARD, "aaa"):
            with pytest.raises(TimeoutError):
                nth(pattern, more, 0)
    assert nth(pattern, "aaa", 0)[0] == "aaa"


@pytest.mark.parametrize("pattern", ["%s", "b%s", "(x|y)%s", "b*?%s", ".*?%sb", "(?x)%s # as", "(?=%s)b"])
def test_a_long_text_in_a_pattern_takes_no_time_to_prepare(pattern: str) -> None:
    compiled = compile_pattern(pattern % ("a" * 1_900), "regex", "task.yaml")
    began = time.thread_time()
    with suppress(TimeoutError), one_limit():
        nth(compiled, "a" * 10_000, 0)
    assert time.thread_time() - began < 1


@pytest.mark.parametrize("pattern", ["(", "(?R)", r"\p{L}", "a" * 2_001, r"\b" * 500, 7])
def test_what_python_does_not_read_or_is_too_much_is_refused(pattern: object) -> None:
    assert compile_pattern("a{1,2}", "regex", "task.yaml")
    with pytest.raises(UsageError, match="`regex` of `task"):
        compile_pattern(pattern, "regex", "task.yaml")


@pytest.mark.parametrize(("pattern", "by"), [("", "x" * 10_000), ("(?s)(.*)", r"\1" * 1_000), ("(?s)(?=(.*))", r"\1")])
def test_a_text_that_grows_past_the_longest_is_not_made(pattern: str, by: str) -> None:
    compiled, text = compile_pattern(pattern, "regex", "task.yaml"), "a" * 50_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more than 1,048,576 characters"):
            substitute(compiled, by, text)
        assert tracemalloc.get_traced_memory()[1] < 4 * LONGEST
    finally:
        tracemalloc.stop()


def test_of_matches_that_hold_all_that_follows_only_one_is_made() -> None:
    compiled, text = compile_pattern("(?=(.*))", "regex", "task.yaml"), "a" * 5_000
    tracemalloc.start()
    try:
        assert first_group(nth(compiled, text, -2)) == "a"
        assert tracemalloc.get_traced_memory()[1] < LONGEST
    finally:
        tracemalloc.stop()
