"""The text of a study file as `stepdown init` writes it, with comments for whoever changes it."""

import json

import msgspec

from stepdown.version import __version__

_TEMPLATE = """\
# A study for stepdown: which problems, by which methods and models, and what it may cost.
#
#   stepdown run {file} --estimate        what it would take; nothing is sent
#   stepdown run {file}                   run it, or go on where it stopped
#   stepdown report --html report.html    what came out
#
# Keys are options of `stepdown run` by their names (`stepdown help run`); those given on the command line go before
# these. Paths are relative to this file. Written by stepdown {version}.

# The problems: a data set (`stepdown datasets`), or a file of your own: .jsonl, .json, .csv or .parquet.
dataset = {dataset}
{limit}
# split = "test"
# problems_seed = 0         # of generated problems (wordsums)

# How they are solved: "direct", "chain-of-thought", "plan-and-solve", "trace-of-thought" ("all": these four)...
method = {methods}

# Who solves them, and who writes plans (`stepdown models`): every combination becomes a run.
student = {students}
{teacher}
# plans = ["teacher"]       # or "own" (the student's), "gold", a run's id, a .jsonl file
# control = ["none"]        # plans spoiled on purpose: "shuffled", "generic", "masked", "leaked"...

# How text is drawn. Several samples vote: then give a temperature.
temperature = 0.0
# samples = 5
# seed = 1
max_tokens = 1024

# What reads the answers, and what may be spent, in US dollars: the study stops before it is more.
grader = "default"
{budget}
"""


class StudyText(msgspec.Struct, frozen=True, kw_only=True):
    """What a new study file says, and where it lies; no limit is all problems, no budget no limit."""

    file: str
    dataset: str
    methods: tuple[str, ...]
    students: tuple[str, ...]
    teachers: tuple[str, ...]
    limit: int | None
    budget: float | None


def study_text(study: StudyText) -> str:
    """Return the text of a study file."""
    planned = _list(study.teachers) if study.teachers else '["provider/model"]'
    return _TEMPLATE.format(
        file=study.file,
        version=__version__,
        dataset=_text(study.dataset),
        limit=_or_comment("limit", None if study.limit is None else str(study.limit), "20"),
        methods=_list(study.methods),
        students=_list(study.students),
        teacher=_or_comment("teacher", planned if study.teachers else None, planned),
        budget=_or_comment("budget", None if study.budget is None else str(study.budget), "1.0"),
    )


def _or_comment(key: str, value: str | None, example: str) -> str:
    return f"{key} = {value}" if value is not None else f"# {key} = {example}"


def _list(values: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _text(value: str) -> str:
    # A basic string of TOML is one of JSON, but for this one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
