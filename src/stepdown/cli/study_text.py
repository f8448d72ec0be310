"""The text of a study file as `stepdown init` writes it, with comments for whoever changes it."""

from shlex import quote

import msgspec

from stepdown.toml_files import or_comment, toml_list, toml_text
from stepdown.version import __version__

_TEMPLATE = """\
# A study for stepdown: which problems, by which methods and models, and what it may cost.
#
#   {estimate}   what it would take; nothing is sent
#   {run}   run it, or go on where it stopped
#   {report}   what came out
#
# Keys are options of `stepdown run` by their names (`stepdown help run`); those given on the command line go before
# these. Paths are relative to this file, or else to the working folder. Written by stepdown {version}.

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
    planned = toml_list(study.teachers) if study.teachers else '["provider/model"]'
    file = quote(study.file)
    commands = [f"stepdown run {file}", f"stepdown run {file} --estimate", "stepdown report --last"]
    run, estimate, report = (one.ljust(max(map(len, commands))) for one in commands)
    return _TEMPLATE.format(
        run=run,
        estimate=estimate,
        report=report,
        version=__version__,
        dataset=toml_text(study.dataset),
        limit=or_comment("limit", None if study.limit is None else str(study.limit), "20"),
        methods=toml_list(study.methods),
        students=toml_list(study.students),
        teacher=or_comment("teacher", planned if study.teachers else None, planned),
        budget=or_comment("budget", None if study.budget is None else str(study.budget), "1.0"),
    )
