"""What a taste says at a terminal: its students, what to expect, odd chains, and what the money buys."""

from collections.abc import Sequence

from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import show
from stepdown.stats import wilson
from stepdown.tasting import ChainSign, Purchase, Taste, TastedStudent, TasteExpectation
from stepdown.text import between, clipped, money, percent, points


def show_tastes(tastes: Sequence[Taste]) -> None:
    """Write what was found of each corpus, and a last table where there are several."""
    for one in tastes:
        _show(one)
    if len(tastes) > 1:
        # Where a price is unknown, or nothing, money buys no number of chains.
        priced = all(one.purchases[0].dollars for one in tastes)
        header = (
            "for the same money" if priced else "corpus",
            "chains",
            "dollars",
            "right %",
            "95 % interval",
            "best %",
        )
        note = (
            "" if priced else "Of what has no price, or none that is known, as many chains as of the first are taken."
        )
        show_table("Corpora", header, map(_against, tastes), words=1, note=note)


def _show(taste: Taste) -> None:
    name = clipped(taste.corpus, 60)
    note = (
        f"{taste.base} on {taste.test}; {taste.passes:g} passes over the chains; loss: nats a token of chains held out."
    )
    header = ("chains", "problems", "seed", "steps", "right", "right %", "95 % interval", "loss")
    show_table(f"{name}: students", header, map(_student, taste.students), words=0, note=note)
    header = (
        "chains",
        "right %",
        "95 % interval",
        "gain",
        "95 % interval",
        "over those tried",
        "95 % interval",
        "loss",
    )
    note = "Of one student, in points; right % as a test on as many problems would find it. " + " ".join(
        f"{line[:1].upper()}{line[1:]}." for line in taste.notes
    )
    show_table(f"{name}: expected", header, map(_expected, taste.expected), words=0, note=note)
    note = "*: a heuristic, which asks for a look and proves nothing. " + " ".join(
        f"{one.name[:1].upper()}{one.name[1:]}: {one.definition}." for one in taste.signs
    )
    show_table(
        f"{name}: chains that",
        ("", "chains", "%", "95 % interval"),
        map(_sign, taste.signs),
        words=1,
        note=note,
    )
    show_table(
        f"{name}: the money", ("", "teacher", "chains", "problems", "dollars"), map(_purchase, taste.purchases), words=2
    )
    show(verdict(taste))


def verdict(taste: Taste) -> str:
    """Return what it comes to, in a sentence or two."""
    full = taste.full
    return (
        f"{taste.corpus}: {full.chains:,} chains are expected to make {taste.base} {percent(full.accuracy)} % right, "
        f"{points(full.gain)} points [{points(full.gain_low)}, {points(full.gain_high)}] over what it is, "
        f"{points(full.beyond)} [{points(full.beyond_low)}, {points(full.beyond_high)}] over the largest student tried;"
        f" {_chance(full)}."
    )


def _chance(full: TasteExpectation) -> str:
    if full.point is None or full.point_untried is None:
        return f"the chance that it gains at all is {percent(full.better)} %"
    before = f"{percent(full.point_untried)} % before any student was trained"
    return f"the chance that it gains a point or more is {percent(full.point)} %, where it was {before}"


def _student(one: TastedStudent) -> tuple[str, ...]:
    low, high = wilson(one.right, one.graded)
    return (
        f"{one.chains:,}" if one.chains else "the base", str(one.problems), str(one.seed), str(one.steps),
        f"{one.right}/{one.graded}", percent(one.accuracy), between(percent(low), percent(high)).strip(),
        "" if one.loss is None else f"{one.loss:.3f}",
    )  # fmt: skip


def _expected(one: TasteExpectation) -> tuple[str, ...]:
    loss = ""
    if one.loss is not None and one.loss_low is not None and one.loss_high is not None:
        loss = f"{one.loss:.2f}{between(f'{one.loss_low:.2f}', f'{one.loss_high:.2f}')}"
    return (
        f"{one.chains:,}", percent(one.accuracy), between(percent(one.low), percent(one.high)).strip(),
        points(one.gain), between(points(one.gain_low), points(one.gain_high)).strip(),
        points(one.beyond), between(points(one.beyond_low), points(one.beyond_high)).strip(), loss,
    )  # fmt: skip


def _sign(one: ChainSign) -> tuple[str, ...]:
    interval = between(percent(one.low), percent(one.high)).strip()
    return one.name + "*" * one.heuristic, f"{one.count:,}", percent(one.share), interval


def _purchase(one: Purchase) -> tuple[str, ...]:
    return one.what, clipped(one.teacher, 40), f"{one.chains:,}", f"{one.problems:,}", money(one.dollars)


def _against(one: Taste) -> tuple[str, ...]:
    full = one.full
    return (
        clipped(one.corpus, 40), f"{full.chains:,}", money(one.purchases[0].dollars), percent(full.accuracy),
        between(percent(full.low), percent(full.high)).strip(), percent(one.best),
    )  # fmt: skip
