"""The text of a study file for `stepdown study`, with comments, as `stepdown init --training` and pages write it."""

from shlex import quote

import msgspec

from stepdown.corpus import STUDIED
from stepdown.toml_files import or_comment, toml_list, toml_text
from stepdown.version import __version__

_TEMPLATE = """\
# A study of training for stepdown: what students learn from which chains of a corpus, and what that is worth.
#
#   {study}   train and test the students, or go on where it stopped
#   {show}   what the hash of this file is, for a paper to cite
#
# Keys are options of `stepdown study` by their names (`stepdown help study`); those given on the command line go before
# these. Paths are relative to this file, or else to the working folder. Written by stepdown {version}.

# The corpus: chains of a teacher, as `stepdown sample` or `stepdown import` writes them (`stepdown chains` shows them):
#   stepdown sample wordsums --split train -n 100 --teacher embedded/qwen2.5-coder-1.5b --chains 5 --out {corpus_word}
corpus = {corpus}
# Filters that work first (`stepdown help keep`).
{keep}

# What every student begins as: a hub name, a folder, or one of `stepdown models`.
base = {base}
{before}# whether the base is tested too, as it is

# The grid: each number of chains per problem (0: all), each way to choose them, each thing to learn, and so many seeds.
chains = {chains}
by = ["random"]             # or "likely", "diverse", "short", "long", "open-ended"
targets = {targets}         # of {known}
seeds = {seeds}

# How each is trained. The number of chains varies at equal steps.
steps = {steps}
# batch = 32
# learning_rate = 5e-4
# prompts = "student"       # or "scotd": the paper's form

# What they are tested on: problems that no chain is of.
test = {test}
{limit}
{split}
{data}# temperature = 0.7         # then several samples can vote
# samples = 5

# Where students, table and curve go. The same file, run again, trains nothing twice.
out = {out}
"""


class TrainingStudyText(msgspec.Struct, frozen=True, kw_only=True):
    """What a new study file for `study` says, and where it lies; no limit is all test problems.

    `data` is the file with the test problems, where they are in none of the data set's own; "" for what is not said.
    """

    file: str
    corpus: str
    base: str
    test: str
    chains: tuple[int, ...]
    targets: tuple[str, ...]
    seeds: int
    steps: int
    limit: int | None
    out: str
    keep: tuple[str, ...] = ("right", "distinct")
    before: bool = True
    split: str = ""
    data: str = ""


def training_study_text(study: TrainingStudyText) -> str:
    """Return the text of a study file for `stepdown study`."""
    commands = [f"stepdown {verb} {quote(study.file)}" for verb in ("study", "show")]
    wide = max(map(len, commands))
    return _TEMPLATE.format(
        study=commands[0].ljust(wide),
        show=commands[1].ljust(wide),
        version=__version__,
        corpus=toml_text(study.corpus),
        corpus_word=quote(study.corpus),
        keep=or_comment("keep", toml_list(study.keep) if study.keep else None, '["right", "distinct"]'),
        before=f"before = {str(study.before).lower()}".ljust(28),
        base=toml_text(study.base),
        chains=f"[{', '.join(map(str, study.chains))}]",
        targets=toml_list(study.targets),
        known=", ".join(map(toml_text, STUDIED)),
        seeds=study.seeds,
        steps=study.steps,
        test=toml_text(study.test),
        limit=or_comment("limit", None if study.limit is None else str(study.limit), "100"),
        split=or_comment("split", toml_text(study.split) if study.split else None, '"test"'),
        data=f"data = {toml_text(study.data)}\n" if study.data else "",
        out=toml_text(study.out),
    )
