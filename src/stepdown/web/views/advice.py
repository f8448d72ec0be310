"""Advice that fits a page: what is done by a command line is said by the page's own fields, or not at all."""

import re

from stepdown.settings import FORM

# What an option of the command line is called where a page has it.
FIELDS = {
    "--control": "Control",
    "--data": "Data set",
    "--method": "Methods",
    "--plans": "Plans from",
    "--prompts": "Prompt set",
    "--split": "Split",
    "--student": "Student",
    "--teacher": "Teacher",
    **{name: one.label for one in FORM.values() for name in (one.flag, one.short) if name},
}
# Fields that are not called as their option is.
_NAMES = {"-n": "limit", "--data": "dataset", "DATASET": "dataset"}
_OPTION = re.compile(r"`?(?<![\w-])(--?[a-z][a-z-]*)(?:[ =](?:[A-Z]+\b|[a-z0-9./:-]+(?=`)))?`?")
_CLAUSE = re.compile(r";\s+|,\s+or\s+|,\s+(?=`?--|`stepdown)|\s+or\s+(?=`?--|`stepdown)|\.\s+")
# What only a command line, a shell or a file of this machine can do.
_ELSEWHERE = re.compile(r"`stepdown\b|\bstepdown [a-z]+ |(?<![\w-])--[a-z]|\bSTEPDOWN_[A-Z]+|\bthe same command\b")


def on_page(hint: str, *, form: bool = False) -> str:
    """Return of a hint what helps whoever sees a page; in a `form`, options are named as its fields."""
    text = _OPTION.sub(_field, hint) if form else hint
    return "; ".join(part for part in map(str.strip, _CLAUSE.split(text)) if part and not _ELSEWHERE.search(part))


def field_of(option: str) -> str:
    """Return the name of the form's field that an option of the command is, "" where it is none."""
    name = _NAMES.get(option, option.lstrip("-").replace("-", "_"))
    return name if option in FIELDS or option in _NAMES else ""


def _field(option: re.Match[str]) -> str:
    label = FIELDS.get(option[1])
    return option[0] if label is None else f"“{label}”"
