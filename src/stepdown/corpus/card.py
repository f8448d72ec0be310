"""The card of a corpus: what it holds, where it came from and what was kept of it, for programs and for people."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from stepdown.errors import UsageError
from stepdown.files import write_whole
from stepdown.settings import in_words
from stepdown.text import Table, clipped, fragment, html_facts, html_table, html_text, in_markdown
from stepdown.types import Sampling
from stepdown.untrusted import reading

VERSION = 1
CARD, README = "card.json", "README.md"
Content = Literal["chain", "plan", "preference"]
# How the texts of a pair are marked in `Chain.variant`: in a corpus of preferences the two lie one after the other.
CHOSEN, REJECTED = "chosen", "rejected"
_MOST_LINES = 100
_SELECTION = ("| filter | seed | chains | kept | problems | kept | what it keeps |", "|---|" + "---:|" * 5 + "---|")


class Selection(msgspec.Struct, frozen=True):
    """What one filter let through; `filter` is it as given, with its `seed`, and `report` what it says of its work."""

    filter: str
    definition: str
    chains_in: int
    chains_kept: int
    problems_in: int
    problems_kept: int
    report: str = ""
    seed: int = 0


class Bucket(msgspec.Struct, frozen=True):
    """The problems of one hash in a corpus that is split by problem; its `parts` follow those of the bucket before.

    `fingerprint` is 32 hexadecimal digits over its rows, as JSON, in their order.
    """

    parts: int
    problems: int
    chains: int
    fingerprint: str


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a corpus.

    `content` is what its rows are: chains, plans, or the texts of preferences, two for each pair, which are `texts`.
    `dataset` names its problems (`gsm8k/train`), `origin` the run or file it came from, `teachers` how many chains
    each model string wrote and `versions` the model names that endpoints returned. `prompts` is the fingerprint of
    `prompt_set`. `right` of the `graded` chains are right. `edits` counts chains a person changed. `kept_from` is the
    fingerprint of the corpus that `selection` was applied to last; `fingerprint` is 32 hexadecimal digits over the
    rows, as JSON, in their order, or, where `buckets` says that it is split by problem, over those of its buckets.
    `questions` counts the different questions, whose hashes lie in `questions.bin`
    (None in corpora of 0.1.0, which have no such file), `behind` those that its teachers were trained on or were shown
    as demonstrations, in `behind.bin`; `unknown` names teachers that were trained on nobody knows what. The writer
    fills the counts, `teachers`, `graders`, `unknown` and `fingerprint`.
    """

    version: int = VERSION
    content: Content = "chain"
    dataset: str
    origin: str = ""
    teachers: dict[str, int] = {}
    versions: tuple[str, ...] = ()
    method: str = ""
    prompt_set: str = ""
    prompts: str = ""
    sampling: Sampling | None = None
    problems: int = 0
    chains: int = 0
    right: int = 0
    graded: int = 0
    graders: tuple[str, ...] = ()
    licence: str = ""
    notes: tuple[str, ...] = ()
    edits: int = 0
    selection: tuple[Selection, ...] = ()
    kept_from: str = ""
    fingerprint: str = ""
    questions: int | None = None
    behind: int = 0
    unknown: tuple[str, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    texts: Literal["chain", "plan"] = "chain"

    @property
    def row(self) -> str:
        """What one row holds, as a noun: of a pair's two texts each has a row."""
        return "text" if self.content == "preference" else self.content

    def __repr__(self) -> str:
        return f"Card({self.dataset}: {self.chains:,} {self.row}s of {self.problems:,} problems, {self.right:,} right)"

    def _repr_html_(self) -> str:
        teachers = {f"{self.row}s by {name}": f"{number:,}" for name, number in sorted(self.teachers.items())}
        shares = ((one.filter, f"{one.chains_kept:,} of {one.chains_in:,}") for one in self.selection)
        kept = tuple((str(at), *share) for at, share in enumerate(shares, 1))
        selection = html_table(Table("Selection", ("#", "filter", "kept"), kept, 2)) if kept else ""
        notes = html_text("\n".join(self.notes), "notes") if self.notes else ""
        title = f"{self.dataset}: a corpus of {self.row}s"
        return fragment(title, html_facts({**dict(_facts(self, _one_line)), **teachers}), selection, notes)


def _one_line(text: str, most: int = 300) -> str:
    return clipped(text, most)


class _Versioned(msgspec.Struct):
    version: int


def read_card(folder: Path) -> Card:
    """Return the card of a corpus folder; raise `UsageError` where there is none, or none that can be read."""
    path = folder / CARD
    if not folder.exists():
        raise UsageError(f"there is no corpus `{folder}`", "`stepdown sample` or `stepdown import` makes one")
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is a file, not a corpus folder", "`stepdown import FILE --out corpus/` makes one")
    if not path.is_file():
        raise UsageError(f"`{folder}` is not a corpus: it has no `{CARD}`", "name the folder that holds it")
    with reading(f"cannot read the card `{path}`", "take it from where the corpus came"):
        body = path.read_bytes()
        version = msgspec.json.decode(body, type=_Versioned).version
        if version > VERSION:
            raise UsageError(f"`{path}` is of version {version}, newer than {VERSION}", "upgrade stepdown to read it")
        return msgspec.json.decode(body, type=Card)


def write_card(folder: Path, card: Card) -> None:
    """Write the card of a corpus into its folder, as JSON and as a page for people."""
    write_whole(folder / CARD, msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")
    write_whole(folder / README, readme(card).encode())


def readme(card: Card) -> str:
    """Return the card as Markdown for people; every name and note is escaped."""
    facts = [f"| {name} | {value} |" for name, value in _facts(card, in_markdown) if value]
    parts = [
        f"# {in_markdown(card.dataset)}: a corpus of {card.content}s",
        "\n".join(["| what | |", "|---|---|", *facts]),
    ]
    teachers = [f"| {in_markdown(name)} | {count:,} |" for name, count in sorted(card.teachers.items())]
    parts += ["## Teachers", "\n".join([f"| teacher | {card.row}s |", "|---|---:|", *teachers])]
    if card.selection:
        parts += ["## Selection", "\n".join([*_SELECTION, *map(_selected, card.selection)])]
        parts += [_reported(one) for one in card.selection if one.report]
    if card.notes:
        parts += ["## Notes", "\n".join(f"- {in_markdown(note, 2_000)}" for note in card.notes)]
    return "\n\n".join(parts) + "\n"


def _facts(card: Card, safe: Callable[..., str]) -> list[tuple[str, str]]:
    """Return what is known, by name; `safe(text, most)` makes text of strangers fit to be shown."""
    prompts = f"{safe(card.prompt_set)} {safe(card.prompts)}".strip()
    return [
        ("problems", f"{card.problems:,}"),
        (f"{card.row}s", f"{card.chains:,}"),
        ("pairs", f"{card.chains // 2:,} of {card.texts}s" if card.content == "preference" else ""),
        ("right / graded", f"{card.right:,} / {card.graded:,}"),
        ("graders", ", ".join(map(safe, card.graders))),
        ("origin", safe(card.origin)),
        ("teachers say they are", ", ".join(map(safe, card.versions))),
        ("method", safe(card.method)),
        ("prompts", prompts),
        ("sampling", in_words(card.sampling) if card.sampling else ""),
        ("edited by a person", f"{card.edits:,}" if card.edits else ""),
        ("licence", safe(card.licence, 2_000)),
        ("kept from", safe(card.kept_from)),
        ("fingerprint", safe(card.fingerprint)),
        ("split by problem into", f"{len(card.buckets):,} buckets" if card.buckets else ""),
        ("questions", "unknown" if card.questions is None else f"{card.questions:,} different ones"),
        ("questions its teachers met", f"{card.behind:,}" if card.behind else ""),
        ("trained on what nobody knows", ", ".join(map(safe, card.unknown))),
    ]


def _selected(kept: Selection) -> str:
    counts = " | ".join(
        f"{count:,}" for count in (kept.seed, kept.chains_in, kept.chains_kept, kept.problems_in, kept.problems_kept)
    )
    return f"| {in_markdown(kept.filter)} | {counts} | {in_markdown(kept.definition)} |"


def _reported(kept: Selection) -> str:
    lines = [f"- {in_markdown(line)}" for line in kept.report.splitlines()[:_MOST_LINES]]
    return "\n".join([f"What {in_markdown(kept.filter)} says:", "", *lines])
