"""The command line: one file per verb, each imported only when it is called."""

import os
import sys
from collections.abc import Sequence
from inspect import cleandoc
from typing import Any

from cyclopts import App, CycloptsError, Parameter

from stepdown.cli.comma_lists import split_lists
from stepdown.cli.console.failures import BROKEN_PIPE, INTERNAL, describe_os_error, is_broken_pipe, report_fault
from stepdown.cli.console.terminal import report, say, say_error, show, show_json
from stepdown.cli.flowing_help import FlowingHelp, flowing
from stepdown.cli.numbers import check_numbers
from stepdown.cli.overview import example_of, overview
from stepdown.cli.study_file import FIRST, forget_study, located, study_file
from stepdown.cli.unused_options import note_typed
from stepdown.cli.usage_words import check_whole, usage_error
from stepdown.cli.usual_tracker import name_tracker
from stepdown.errors import Interrupted, StepdownError
from stepdown.events import Event, failure_of
from stepdown.full_disks import full_disk
from stepdown.version import __version__

VERBS = {
    "tour": """A real recorded study, shown: no model, no network, no key.

    Tells it at the terminal, stop after stop; --open serves its pages, with a line on each that says what is seen.""",
    "demo": """All four methods on this machine, with real models and no key.

    Solves generated word sums with small models in this process, shows one worked example and compares the methods.
    The first time it gets the models (1.6 GB); what was asked once is never asked again.""",
    "ask": """One question: the plan, then the solution.

    The same question again is answered by the store.""",
    "run": """Solve and grade a data set; several methods, students, teachers or plans make a grid.

    What the store has is not asked again: the same command goes on where it stopped, and tries failed calls again.""",
    "report": """Compare runs: accuracy with intervals, paired tests, tokens and money.

    Without runs, every run of the store is reported, one report for each data set.""",
    "show": """What an id, a name or a path is, and the commands that lead on.

    Takes whatever this program prints: runs, traces, calls, problems, fingerprints, tags, corpora, students.""",
    "traces": """What was asked and answered, problem by problem, with the grade and its reason.""",
    "plans": """List, show, edit or export the plans of a run.

    The newest edit of a plan counts; `run --plans RUN` solves by it.""",
    "grade": """Grade the stored solutions of a run again; earlier graders' grades stay.

    No model is asked, but for `judge:MODEL` and `rubric:FILE`, whose judgements are kept.""",
    "marks": """What people say of a run's solutions, and a judge's figures corrected by it, with an interval.

    Writes solutions drawn at random as a task for people, keeps the marks that come back or that people gave on pages
    of `serve`, and decides where they differ; no model is asked.""",
    "audit": """Leaked answers, faulty plans, who is to blame, which plans are worth an edit.

    Runs on the same problems tell more together: crossing students and plans shows which of the two failed.""",
    "calibrate": """The threshold of a cascade: a small planner first, the large teacher where votes disagree.

    Tries every threshold on two stored runs and chooses one for an accuracy, a price or a guarantee; asks no model.""",
    "prefer": """Which of two runs explains better: pairs of solutions before a judge model, or before people.

    A judge sees each pair in both orders, and its replies are kept; people vote on a file that names no model, and
    their votes are counted.""",
    "perturb": """The same problems with other numbers, other names or one sentence more: a contrast set.

    Left out is what cannot be changed with certainty; no model is asked.""",
    "import": """Read trace files into runs (the authors' CSV, a .jsonl that `export` wrote), or chains into a corpus.

    A trace file that was imported before gives the same run again.""",
    "export": """Write a run, a corpus or a student in another form.

    Texts stand in it as the models wrote them, also where a spreadsheet would see a formula.""",
    "sample": """Sample many chains per problem from a teacher, grade them and write them as a corpus.

    The same command goes on where it stopped, and more chains ask only for the missing ones.""",
    "keep": """Keep some chains of a corpus: right ones, distinct ones, so many per problem.

    Filters work in their order, each on what the one before it kept.""",
    "chains": """Look at a corpus: its chains, and by which filter each would be dropped.

    Reads a problem at a time, however large the corpus is; nothing is written.""",
    "teachers": """Which teacher's chains suit a student: news to it, and within its reach.

    The student reads some chains of each, once: what it has read is kept. Nothing is trained.""",
    "plan-values": """What each plan was worth to a student: right answers with it minus right answers without it.

    Takes runs with several plans a problem and one without; writes what helped, and pairs of better and worse.""",
    "taste": """What a corpus would teach, from 100 of its chains: the expected gain at full size, with an interval.

    Trains small students on nested parts and draws the learning curve on; says what is odd about the chains, and what
    the same money buys elsewhere. What is trained or answered already is not done again.""",
    "train": """Train a small student on a corpus; dev problems choose the checkpoint.

    A training that was killed goes on where it stopped with the same command.""",
    "study": """Train and test a grid of students on views of one corpus: N x selection x target x seed.

    What is trained or answered already is not done again: the same command goes on where it stopped.""",
    "serve": """Serve pages in a browser at `/` and an OpenAI-compatible endpoint at `/v1`.

    Only this machine reaches them, unless --host names another address, which needs a token.""",
    "bundle": """Write runs as a folder of pages for a paper's page: opened from disk or any web server, searchable.

    There is no server behind it, and only these runs are in it.""",
    "publish": """A corpus or a student as a folder for the hub: a card with provenance, licence and fingerprints.

    Nothing leaves this machine without --push.""",
    "mcp": """Runs, failures, traces, audits and estimates for clients of the Model Context Protocol; read only.

    Such a client (an editor, an assistant) starts this command and talks to it over stdin and stdout.""",
    "init": """Write a study file: data set, models, methods, budget; `stepdown run FILE` takes it.

    With --training: corpus, base, chains, targets, seeds, test; `stepdown study FILE` takes it. In a terminal
    it asks a few questions; elsewhere it chooses from what is here. An existing file stays.""",
    "batches": "List the batches of the store, wait for them, take up what they brought, or give them up.",
    "runs": "List the runs of the store, name them, tag them, put them aside, or take them out.",
    "store": "Check the store, copy it while it is open, or make it smaller.",
    "models": "List models that can be reached, or get one for this machine.",
    "datasets": "List the data sets; a .jsonl, .json, .csv or .parquet file of your own is one too.",
    "plugins": """List what packages add: methods, graders, models, data sets, filters, prompt sets, exporters.

    Each is loaded to see whether it works; one that does not is named, with why.""",
    "doctor": """What is installed, what can be reached, what is missing and how to get it.

    Its exit code is 0 if `stepdown demo` can run here, else 1.""",
    "completion": """The script by which bash, zsh or fish complete verbs, options, runs, models, data sets and more.

    For good: `eval "$(stepdown completion bash)"` in ~/.bashrc, the same with zsh in ~/.zshrc, and in
    ~/.config/fish/config.fish `stepdown completion fish | source`.""",
    "help": """All verbs by what they are for, or what one of them takes.

    The page is what `stepdown` alone shows; `stepdown VERB --help` shows the same options.""",
}
_FUNCTIONS = {
    "import": "imports:imports",
    "export": "exports:exports",
    "plan-values": "plan_values:plan_values",
    "models": "models:app",
    "store": "store:app",
    "runs": "runs:app",
    "batches": "batches:app",
}
_OVERVIEW: tuple[list[str], ...] = ([], ["help"], ["--help"], ["-h"])
_MANY = {
    "report": "[RUN...]",
    "bundle": "RUN...",
    "audit": "[RUN...]",
    "import": "[FILE...]",
    "keep": "CORPUS [FILTER...]",
    "chains": "CORPUS [FILTER...]",
    "teachers": "CORPUS...",
    "plan-values": "RUN...",
    "taste": "CORPUS...",
    "help": "[VERB]",
    "init": "[FILE]",
    "sample": "[DATASET]",
    "export": "RUN|CORPUS|STUDENT [RUN...]",
}


def _default(value: object) -> str | None:
    """Write a default as a person would give it; nothing is none."""
    if value is None or value == "" or value == ():
        return None
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _make_app() -> App:
    made = App(
        name="stepdown",
        help="Step reasoning down from big language models to small ones.",
        version=__version__,
        help_format="plaintext",
        help_formatter=FlowingHelp(),
        default_parameter=Parameter(negative=(), show_default=_default),
        suppress_keyboard_interrupt=False,
        result_action="return_value",
        end_of_options_delimiter="--",
    )
    for position, (verb, words) in enumerate(VERBS.items()):
        more: dict[str, Any] = {"config": study_file} if verb in FIRST else {}
        if not _FUNCTIONS.get(verb, "").endswith(":app"):  # such an app says so itself
            more["help_epilogue"] = example_of(verb)
        if verb in _MANY:
            more["usage"] = f"Usage: stepdown {verb} [OPTIONS] {_MANY[verb]}"
        made.command(
            f"stepdown.cli.verbs.{_FUNCTIONS.get(verb, f'{verb}:{verb}')}",
            name=verb,
            help=flowing(cleandoc(words)),
            sort_key=position,
            **more,
        )
    return made


app = _make_app()


def main(tokens: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; whatever happens is said without a traceback."""
    closed = sys.stdout is None
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Closed by who started the command: the work is done all the same.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _call(sys.argv[1:] if tokens is None else tokens)
        sys.stdout.flush()
        return BROKEN_PIPE if closed else code
    except OSError as error:
        # The interpreter's own flush at exit must find somewhere to write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if is_broken_pipe(error):
            return BROKEN_PIPE
        say_error(fault := describe_os_error(error))
        return fault.exit_code


def _call(tokens: Sequence[str]) -> int:
    as_json = "--json" in tokens[: [*tokens, "--"].index("--")]
    if list(tokens) == ["--version"]:
        show(__version__)  # as it does below, without loading what draws help
        return 0
    if list(tokens) in _OVERVIEW:
        sys.stdout.write(overview() + "\n")
        return 0
    try:
        tokens = name_tracker(tokens)
        note_typed(tokens)
        forget_study()
        check_whole(app, tokens)
        command, bound, _ = app.parse_args(_split(tokens), exit_on_error=False, print_error=False)
        check_numbers([*bound.args, *bound.kwargs.values()])
        code = command(*bound.args, **bound.kwargs)
        return code if isinstance(code, int) else 0
    except StepdownError as error:
        return report(located(error), as_json=as_json)
    except CycloptsError as error:
        return report(usage_error(app, error, tokens), as_json=as_json)
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from what was kept")
        if as_json:
            show_json(Event(error=failure_of(Interrupted())))
        return Interrupted.exit_code
    except OSError as error:
        if is_broken_pipe(error):
            raise
        return report(describe_os_error(error), as_json=as_json)
    except Exception as error:  # the last line of defence: a fault of ours is reported, and its details are kept
        if full := full_disk(error):
            return report(full, as_json=as_json)
        return report(report_fault(error), as_json=as_json, code=INTERNAL)


def _split(tokens: Sequence[str]) -> Sequence[str]:
    return split_lists(tokens) if list(tokens[:1]) in (["run"], ["study"], ["init"]) else tokens
