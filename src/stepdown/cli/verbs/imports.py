"""`stepdown import`: trace files into runs, files of chains into a corpus."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
from cyclopts import Parameter

from stepdown.audits import keep_audits
from stepdown.cli.console.passes import telling
from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.corpus_summaries import show_corpus
from stepdown.cli.options import CHOICE, Buckets, Flag, OutputOptions
from stepdown.cli.unused_options import command_mark, given, refuse
from stepdown.cli.work_options import WorkOptions
from stepdown.errors import UsageError
from stepdown.exchange import OtherVerdicts, import_corpus, import_traces, other_verdicts
from stepdown.files import no_such_file
from stepdown.object_stores import address_of
from stepdown.store import Run, note_command
from stepdown.text import counted, percent
from stepdown.workers import WorkerPool

OUTPUT, WORK = OutputOptions(), WorkOptions()


class Imported(msgspec.Struct, frozen=True):
    """What `import --json` says of each file."""

    run: str
    file: str
    rows: int
    graders: tuple[OtherVerdicts, ...] = ()


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class CorpusOptions:
    """Where chains go.

    Parameters
    ----------
    out
        Read a file of chains into a corpus, this folder: a pool, SCoTD's `*_30x.json`, `messages` or ShareGPT jsonl.
    dataset
        With --out: the data set's name with its split, such as `quarel/train`; otherwise from the file's name.
    teacher
        With --out: who wrote chains that do not say.
    force
        With --out: replace a corpus that is there.
    buckets
        With --out: split the corpus by problem into so many buckets, for `keep --jobs`.
    """

    out: Path | None = None
    dataset: str = ""
    teacher: str = "unknown"
    force: Flag = False
    buckets: Buckets = None


CORPUS = CorpusOptions()


def imports(
    *files: Path, options: CorpusOptions = CORPUS, work: WorkOptions = WORK, output: OutputOptions = OUTPUT
) -> int:
    """Read trace files and logs of other harnesses into runs, or with --out a file of chains into a corpus.

    Parameters
    ----------
    files
        The files.
    """
    if not files:
        raise UsageError("no file is given", "stepdown import FILE...")
    missing = [file for file in files if not (options.out and address_of(file)) and not file.exists()]
    if missing:
        raise no_such_file(missing[0], "correct the path; nothing was imported")
    if options.out is None:
        refuse(
            (*given(options), *given(work)),
            "without --out no corpus is written",
            "name its folder with --out, or leave it out",
        )
    else:
        refuse(given(output, "store"), "a corpus is written, no run", "leave it out")
        with work.open() as workers:
            return _corpus(files, options.out, options, workers, as_json=output.json)
    with output.open() as store:
        for file in files:
            run = import_traces(file, store=store)
            note_command([run], command_mark())
            keep_audits(output.store_path, [run.id], progress=telling("leaks and faults", "traces"))
            if output.json:
                show_json(Imported(run.id, str(file), len(run), tuple(other_verdicts(run))))
            else:
                show_imported(run, file)
    return 0


def _corpus(files: tuple[Path, ...], out: Path, options: CorpusOptions, workers: WorkerPool, *, as_json: bool) -> int:
    if len(files) > 1:
        raise UsageError(f"`{out}` can hold one file's chains", "import each file into a corpus of its own")
    corpus = import_corpus(
        files[0],
        out,
        dataset=options.dataset,
        teacher=options.teacher,
        force=options.force,
        progress=telling("import", "bytes"),
        workers=workers,
        buckets=options.buckets or 0,
    )
    show_corpus(corpus, as_json=as_json)
    return 0


def show_imported(run: Run, file: Path) -> None:
    """Say which run a file became."""
    settings, summary = run.settings, run.summary()
    share = percent(summary.right / summary.graded if summary.graded else None)
    show(f"{run.id}  {file.name}: {summary.total} traces of {settings.method} on {settings.dataset}, student "
         f"{settings.student}, plans by {settings.teacher or 'nobody'}; {summary.right} of {summary.graded} right, "
         f"{share} % ({run.grader})")  # fmt: skip
    for one in other_verdicts(run):
        if not one.graded:
            show(f"  {one.grader}: no verdicts, as no score of it says right or wrong")
            continue
        apart = f"`stepdown report {run.id} --grader {one.grader}` reports by it" if one.differing else "as by ours"
        show(f"  {one.grader}: {one.right} of {one.graded} right, another verdict on {one.differing}; {apart}")
    if summary.graded < summary.total:
        ungraded = counted(summary.total - summary.graded, "trace")
        say(f"ungraded: {ungraded}; `stepdown traces {run.id} --where ungraded` says why")
