"""`stepdown export`: a run, a corpus or a student into another form."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
from cyclopts import Parameter

from stepdown.cli.console.passes import telling
from stepdown.cli.console.terminal import say, show_json
from stepdown.cli.corpus_summaries import show_corpus
from stepdown.cli.options import CHOICE, Flag, OutputOptions
from stepdown.cli.stored_runs import one_run
from stepdown.cli.unused_options import given, refuse
from stepdown.corpus import CARD, open_corpus
from stepdown.errors import UsageError
from stepdown.exchange import FORMATS, TUNING_FORMATS, export_corpus, export_run
from stepdown.models import Prices
from stepdown.models.weights import WEIGHTS, check_folder, find_folder
from stepdown.object_stores import address_of
from stepdown.store import Run
from stepdown.text import counted
from stepdown.training import export_student, write_chains, write_plans

OUTPUT = OutputOptions()
CORPORA = ("corpus", "plans")


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Into what.

    Parameters
    ----------
    to
        A run: `csv-traces` (the authors' format), `jsonl` (keeps everything, can be imported), `csv`, `parquet`,
        `lm-eval` and `lm-eval-samples` (results and samples of lm-evaluation-harness), `inspect` (a log of Inspect),
        `dspy` (its problems with right solutions, for `dspy.Example`);
        `corpus` (its solutions as chains) or `plans` (its plans, right where a student who followed them was).
        A corpus: `prompt-completion`, `messages`, `openai`, `sharegpt` or `parquet`, to tune with other tools.
        A student folder: `gguf`; `student`, with the weights that `study --adapters-only` left out.
    out
        The file or corpus to write.
    target
        Of a corpus: what is learned: `chain`, `label`, `answer-first`, `shuffled`, `filler` or `plan`.
    prompts
        Of a corpus: the prompt set its questions are asked in.
    kind
        Of a student: the form of its weights, `f16` or `q8_0`.
    force
        Replace what is there.
    prices
        Of a run: a file of prices, as for `run`.
    """

    to: str
    out: Path
    target: str = "chain"
    prompts: str = "student"
    kind: str = "f16"
    force: Flag = False
    prices: Path | None = None


class Exported(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `export --json` says: `run`, `corpus` or `student` is what was exported."""

    file: str
    rows: int = 0
    run: str = ""
    corpus: str = ""
    student: str = ""


def exports(source: str, /, *more: str, options: ExportOptions, output: OutputOptions = OUTPUT) -> int:
    """Write a run, a corpus or a student in another form.

    Parameters
    ----------
    source
        A run (its name, or its id or the beginning of it), or the folder of a corpus or a student.
    more
        More runs, for `--to plans`.
    """
    folder = Path(source)
    if more and options.to != "plans":
        raise UsageError(
            f"`{options.to}` can be written for only one run at a time", "only `--to plans` takes several runs"
        )
    if (folder / WEIGHTS).is_file() or find_folder(source):
        return _student(folder, options, as_json=output.json)
    if address_of(source) or (folder / CARD).is_file():
        return _corpus(folder, options, as_json=output.json)
    if options.to in TUNING_FORMATS and options.to not in FORMATS and (folder.is_dir() or "/" in source):
        raise UsageError(f"there is no corpus `{folder}`", "`stepdown sample`, `keep` or `import` makes one")
    if options.to == "gguf" or folder.is_dir():
        check_folder(folder)
        return _student(folder, options, as_json=output.json)
    with output.read() as store:
        return _runs([one_run(store, one) for one in (source, *more)], options, as_json=output.json)


def _refuse(options: ExportOptions, what: str, *unused: str) -> None:
    """Refuse options that are for something else than what is exported. Raises `UsageError`."""
    refuse(given(options, *unused), f"`--to {options.to}` writes {what}", "leave it out")


def _student(folder: Path, options: ExportOptions, *, as_json: bool) -> int:
    of_gguf = ("kind",) * (options.to != "gguf")
    _refuse(options, "a student's weights", "target", "prompts", "prices", *of_gguf)
    path = export_student(folder, options.out, to=options.to, kind=options.kind, force=options.force)
    _done(Exported(str(path), student=str(folder)), f"wrote {folder} to {path}", as_json=as_json)
    return 0


def _corpus(folder: Path, options: ExportOptions, *, as_json: bool) -> int:
    _refuse(options, "a corpus", "kind", "prices")
    corpus = open_corpus(folder)
    rows = export_corpus(
        corpus,
        options.to,
        options.out,
        target="plan" if corpus.card.content == "plan" else options.target,
        prompts=options.prompts,
        force=options.force,
        progress=telling("export"),
    )
    text = f"wrote {counted(rows, 'example')} of {folder} to {options.out}"
    _done(Exported(str(options.out), rows, corpus=str(folder)), text, as_json=as_json)
    return 0


def _runs(runs: list[Run], options: ExportOptions, *, as_json: bool) -> int:
    _refuse(options, "a run", "target", "prompts", "kind")
    if options.to in CORPORA:
        _refuse(options, "text without its cost", "prices")
    if options.to == "plans":
        show_corpus(write_plans(runs, options.out, force=options.force), as_json=as_json)
        return 0
    if options.to == "corpus":
        show_corpus(write_chains(runs[0], options.out, force=options.force), as_json=as_json)
        return 0
    if options.to not in FORMATS and options.to in TUNING_FORMATS:
        raise UsageError(f"`{options.to}` is a format for corpora", "first `stepdown export RUN --to corpus`")
    prices = Prices(options.prices)
    rows = export_run(runs[0], options.to, options.out, force=options.force, prices=prices, code=True)
    text = f"wrote {counted(rows, 'trace')} of run {runs[0].id} to {options.out}"
    _done(Exported(str(options.out), rows, run=runs[0].id), text, as_json=as_json)
    return 0


def _done(exported: Exported, words: str, *, as_json: bool) -> None:
    if as_json:
        show_json(exported)
    else:
        say(words)
