"""Help breaks its lines where the terminal does, and writes defaults as a person would give them."""

import re

import pytest

from stepdown.cli import main
from stepdown.cli.flowing_help import flowing


@pytest.mark.parametrize("verb", ["run", "study", "sample", "demo"])
def test_no_line_of_help_breaks_where_the_source_did(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    assert main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    entries = [line for line in shown.splitlines() if line.startswith("│")]
    assert entries and f"stepdown {verb}" in shown.splitlines()[0] and shown.startswith("Usage: ")
    assert not [line for line in entries if not re.match(r"│ [* ]?\s{0,2}(-|[A-Z])", line)]


def test_defaults_are_written_as_they_are_typed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    assert main(["run", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "[default: trace-of-thought]" in shown and "default: (" not in shown


def test_paragraphs_flow_and_what_is_indented_stays() -> None:
    assert flowing("a\nb\n\nc\n    d\n    e\nf") == "a b\n\nc\n    d\n    e\nf"
