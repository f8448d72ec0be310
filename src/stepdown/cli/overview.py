"""The verbs by what they are for, each with few words and an example, as `stepdown` alone shows them."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from stepdown.cli.console.terminal import columns, painted
from stepdown.text import folded
from stepdown.version import __version__

if TYPE_CHECKING:
    from cyclopts import App


class VerbEntry(NamedTuple):
    """What the overview says of a verb, and a command line that does something."""

    words: str
    example: str


GROUPS = {
    "start": {
        "tour": VerbEntry("a recorded study, shown: no model, no network", "stepdown tour --open"),
        "demo": VerbEntry("four methods on this machine: real models, no key", "stepdown demo -n 6"),
        "ask": VerbEntry(
            "one question: the plan, then the solution",
            'stepdown ask "A pen costs 3 dollars. What do 4 pens cost?"',
        ),
        "init": VerbEntry("a study file to change: for `run`, `study`, and a paper", "stepdown init study.toml"),
        "doctor": VerbEntry("what is installed, reached, missing, and how to get it", "stepdown doctor"),
        "models": VerbEntry("list models, or get one for this machine", "stepdown models get smollm2-135m"),
        "datasets": VerbEntry("list the data sets", "stepdown datasets"),
        "plugins": VerbEntry("list what packages add", "stepdown plugins"),
        "completion": VerbEntry(
            "Tab in bash, zsh and fish", "stepdown completion fish > ~/.config/fish/completions/stepdown.fish"
        ),
        "help": VerbEntry("this page, or what a verb takes", "stepdown help run"),
    },
    "study": {
        "run": VerbEntry(
            "a data set by methods, students, teachers and plans",
            "stepdown run wordsums -n 20 --method cot,tot --student M --teacher N",
        ),
        "runs": VerbEntry("list runs, name, tag, hide, remove them", "stepdown runs --since 7d"),
        "batches": VerbEntry("what was sent for half the price, and taking it up", "stepdown batches wait"),
        "grade": VerbEntry("grade stored solutions again", "stepdown grade RUN --grader strict"),
        "marks": VerbEntry("people's marks, and a judge corrected by them", "stepdown marks RUN --from marks.csv"),
        "calibrate": VerbEntry("the threshold of a cascade", "stepdown calibrate CHEAP DEAR --accuracy 0.8"),
        "prefer": VerbEntry("which of two runs explains better", "stepdown prefer RUN OTHER --judge openai/gpt-4o"),
        "perturb": VerbEntry(
            "the same problems with other numbers or names",
            "stepdown perturb wordsums --change names --out names.jsonl",
        ),
        "import": VerbEntry("others' traces into runs, chains into a corpus", "stepdown import traces.csv"),
        "export": VerbEntry(
            "runs, corpora, students in another form", "stepdown export RUN --to jsonl --out traces.jsonl"
        ),
        "store": VerbEntry("check, copy, compact and merge stores", "stepdown store check"),
    },
    "read": {
        "report": VerbEntry("runs side by side: accuracy, tests, tokens, money", "stepdown report --html report.html"),
        "show": VerbEntry("what an id, a name or a path is", "stepdown show RUN/gsm8k/test/12"),
        "traces": VerbEntry("what was asked and answered", "stepdown traces RUN --where wrong -n 3"),
        "plans": VerbEntry("show, edit or export plans", "stepdown plans RUN --edit gsm8k/test/12"),
        "audit": VerbEntry("leaks, faulty plans, who is to blame", "stepdown audit RUN"),
    },
    "distil": {
        "sample": VerbEntry(
            "a teacher's chains as a corpus",
            "stepdown sample gsm8k --teacher openai/gpt-4o --chains 30 --out chains",
        ),
        "keep": VerbEntry(
            "filters that keep some of them", "stepdown keep chains right distinct per-problem=5 --out kept"
        ),
        "chains": VerbEntry("look at chains, and why filters drop them", "stepdown chains kept right --where dropped"),
        "teachers": VerbEntry(
            "which teacher's chains suit a student", "stepdown teachers chains other --student smollm2-135m"
        ),
        "plan-values": VerbEntry(
            "which plans helped a student, to learn planning from",
            "stepdown plan-values RUN --without OTHER --out plans",
        ),
        "taste": VerbEntry(
            "what a corpus would teach, from 100 of its chains", "stepdown taste chains --base smollm2-135m --size 5000"
        ),
        "train": VerbEntry("a student from a corpus", "stepdown train kept --base smollm2-135m --out students/smol"),
        "study": VerbEntry(
            "train and test a grid of students",
            "stepdown study kept --base smollm2-135m --test gsm8k --out students",
        ),
    },
    "serve": {
        "serve": VerbEntry("pages in a browser, and an endpoint at /v1", "stepdown serve --open"),
        "publish": VerbEntry(
            "a folder for the hub, with a card; pushed if asked", "stepdown publish corpus kept --out published"
        ),
        "mcp": VerbEntry("the store, read only, for assistants that speak MCP", "stepdown mcp --store stepdown.sqlite"),
        "bundle": VerbEntry("runs as a folder of pages, without a server", "stepdown bundle RUN OTHER --out site"),
    },
}
# Those of the commands that some verbs have.
BELOW = {
    "models get": "stepdown models get smollm2-135m",
    "models tidy": "stepdown models tidy",
    "runs rename": "stepdown runs rename RUN baseline",
    "runs tag": "stepdown runs tag @last paper",
    "runs note": 'stepdown runs note RUN "plans of gpt-4, as released"',
    "runs hide": "stepdown runs hide @pilot",
    "runs show": "stepdown runs show @pilot",
    "runs rm": "stepdown runs rm @pilot",
    "batches list": "stepdown batches list --json",
    "batches wait": "stepdown batches wait",
    "batches collect": "stepdown batches collect",
    "batches cancel": "stepdown batches cancel BATCH",
    "store check": "stepdown store check",
    "store copy": "stepdown store copy backup.sqlite",
    "store compact": "stepdown store compact",
    "store merge": "stepdown store merge one.sqlite two.sqlite --into all.sqlite",
}
EXAMPLES = {verb: entry.example for group in GROUPS.values() for verb, entry in group.items()} | BELOW
FIRST = ("tour", "demo", "ask")


_MARGIN = 20  # of the groups and the verbs


def overview() -> str:
    """Return the verbs by group, a line each, and what to try first, in 80 columns, or in a terminal's fewer."""
    return "\n".join(_lines(columns(sys.stdout) or 80))


def _lines(width: int) -> Iterator[str]:
    yield from folded(f"stepdown {__version__}: step reasoning down from big language models to small ones", width)
    for group, verbs in GROUPS.items():
        yield ""
        for verb, entry in verbs.items():
            title = group if verb == next(iter(verbs)) else ""
            first, *more = folded(entry.words, max(width - _MARGIN, _MARGIN))
            yield painted(f"{title:<8}", "1", sys.stdout) + painted(f"{verb:<12}", "36", sys.stdout) + first
            yield from (" " * _MARGIN + line for line in more)
    yield from ("", *folded("`stepdown help VERB` says what a verb takes. Try first:", width))
    yield from (line for verb in FIRST for line in folded(f"  {EXAMPLES[verb]}", width))


def example_of(verb: str) -> str:
    """Return what the help of a verb, or of a command of it, ends with."""
    return f"Example:\n\n    {EXAMPLES[verb]}"


def give_examples(verb: "App") -> None:
    """End the help of each command of a verb with an example of its own, not with the verb's."""
    for name, command in verb.resolved_commands().items():
        if not name.startswith("-"):
            command.help_epilogue = example_of(f"{verb.name[0]} {name}")
