"""What verbs say of a corpus: the object of `--json`, and a few lines for people."""

import msgspec

from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.run_summaries import Result
from stepdown.corpus import Corpus, Selection
from stepdown.text import counted, percent

VERSION = 1


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a corpus holds: the object that `sample`, `keep` and `import` print with `--json`.

    `selection` tells what each filter kept; `rows_per_second` is over the rows read by this command, `run` the run
    that sampled it.
    """

    corpus: str
    content: str
    dataset: str
    problems: int
    chains: int
    right: int
    graded: int
    teachers: dict[str, int]
    fingerprint: str
    questions: int | None = None
    behind: int = 0
    selection: tuple[Selection, ...] = ()
    seconds: float | None = None
    rows_per_second: float | None = None
    run: Result | None = None
    version: int = VERSION


def show_corpus(
    corpus: Corpus, *, as_json: bool, run: Result | None = None, read: int = 0, seconds: float | None = None
) -> None:
    """Write what a corpus holds; `read` rows were read in `seconds` to make it."""
    card = corpus.card
    rate = read / seconds if read and seconds else None
    if as_json:
        show_json(
            Held(
                corpus=corpus.address or str(corpus.path),
                content=card.content,
                dataset=card.dataset,
                problems=card.problems,
                chains=card.chains,
                right=card.right,
                graded=card.graded,
                teachers=card.teachers,
                fingerprint=card.fingerprint,
                questions=card.questions,
                behind=card.behind,
                selection=card.selection,
                seconds=None if seconds is None else round(seconds, 3),
                rows_per_second=None if rate is None else round(rate),
                run=run,
            )
        )
        return
    share = percent(card.right / card.graded if card.graded else None)
    place = corpus.address or corpus.path
    show(f"{place}: {counted(card.chains, card.row)} for {counted(card.problems, 'problem')} of "
         f"{card.dataset}; {card.right} of {card.graded} right, {share} %")  # fmt: skip
    if rate is not None:
        say(f"{read:,} rows in {seconds:.1f} s, {rate:,.0f} rows a second")
