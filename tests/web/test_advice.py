"""Advice on a page fits the page: no command line, no shell, and fields by the names they have there."""

import pytest

from stepdown.web.views.advice import field_of, on_page


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        ("name a teacher, or use --plans own, --plans gold, or --plans RUN", "name a teacher"),
        ("give 1 or more", "give 1 or more"),
        ("`stepdown runs` lists runs; trace-of-thought runs have plans", "trace-of-thought runs have plans"),
        ("give another place with --store PATH or STEPDOWN_STORE", ""),
        ("free some space; what was answered is kept, and the same command goes on", "free some space"),
        ("did you mean `gold`?", "did you mean `gold`?"),
        ("known: `dev`, `test`, `train`", "known: `dev`, `test`, `train`"),
        ("one of `a`, `stepdown models` lists them", "one of `a`"),
        ("", ""),
    ],
)
def test_a_hint_keeps_what_a_page_can_do(hint: str, shown: str) -> None:
    assert on_page(hint) == shown


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        ("give --temperature, such as 0.7", "give “Student's temperature”, such as 0.7"),
        ("take other problems with --limit", "take other problems with “Problems”"),
        ("add --method trace-of-thought, or leave it out", "add “Methods” trace-of-thought; leave it out"),
    ],
)
def test_a_form_is_spoken_of_by_its_fields(hint: str, shown: str) -> None:
    assert on_page(hint, form=True) == shown


@pytest.mark.parametrize(
    ("option", "field"),
    [("--temperature", "temperature"), ("--max-tokens", "max_tokens"), ("-n", "limit"), ("DATASET", "dataset"),
     ("", ""), ("--store", "")],
)  # fmt: skip
def test_an_error_of_the_command_belongs_to_the_field_of_its_option(option: str, field: str) -> None:
    assert field_of(option) == field
