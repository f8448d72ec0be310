"""What recipes that compare students share: a folder's settings, chains for so many tokens, figures of cards, a table.

python recipes/arms.py settings OUT NAME=VALUE...
python recipes/arms.py buy RUN TEACHER TOKENS OUT TEMPERATURE LONGEST
python recipes/arms.py sum FIELD STUDENT...
"""

import json
import sys
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any, NoReturn

# Problem, draw and tokens, in the order in which they are paid for.
Draws = list[tuple[str, int, int]]


def refuse(words: object) -> NoReturn:
    """End as a command does that was given what does not fit."""
    print(f"error: {words}", file=sys.stderr)
    raise SystemExit(2)


def settings(out: str, *pairs: str) -> None:
    """Keep what a new OUT is made with; refuse one that was made with something else, so that nothing is mixed."""
    folder, now = Path(out), dict(pair.split("=", 1) for pair in pairs)
    file = folder / "settings.json"
    if file.exists():
        before = json.loads(file.read_text())
        names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        if names:
            other = ", ".join(f"{name} `{before.get(name)}` and not `{now.get(name)}`" for name in names)
            refuse(f"`{out}` was made with {other}; name another OUT, or remove it")
        return
    if folder.exists() and any(not one.name.startswith(".") for one in folder.iterdir()):
        refuse(f"`{out}` holds what was made with unknown settings; name another OUT, or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    write(file, now)


def write(file: Path, value: object) -> None:
    """Write a file of JSON whole, or not at all."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(json.dumps(value, indent=1))
    part.replace(file)


def buy(name: str, teacher: Any, limit: str, out: str, temperature: str, longest: str) -> None:
    """Write fresh chains of a run's problems for at most so many tokens of the teacher, read and written.

    All first draws come first, then all second ones... More are drawn than are taken, up to a few of each problem:
    what is left over counts nowhere. OUT.json, written last, says what they took.
    """
    import msgspec

    import stepdown as sd

    done, most, store = Path(f"{out}.json"), int(limit), sd.open_store()
    if done.exists() and json.loads(done.read_text())["limit"] == most:
        return
    problems = list({trace.problem.id: trace.problem for trace, _ in store.run(name).graded()}.values())
    sampling, chains = sd.Sampling(temperature=float(temperature), max_tokens=int(longest)), 1
    while True:
        drawn = sd.sample(
            problems, teacher=teacher, out=f"{out}-drawn", chains=chains, zero_shot=True, sampling=sampling,
            store=store, force=True,
        )  # fmt: skip
        draws = in_turn(store.run(drawn.card.origin.removeprefix("run ")))
        spent = sum(tokens for *_, tokens in draws)
        if spent >= most:
            break
        chains = max(chains + 1, ceil(chains * most / max(1, spent)))
    taken, tokens = affordable(draws, most)
    if not taken:
        refuse(f"{most} tokens pay for no chain of `{teacher}`")
    note = f"the first {len(taken)} draws, which took {tokens} tokens of the teacher"
    card = msgspec.structs.replace(drawn.card, notes=(*drawn.card.notes, note))
    with sd.CorpusWriter(out, card=card, force=True) as corpus:
        for chain in drawn:
            if (chain.problem.id, chain.sample) in taken:
                corpus.add(chain)
    write(done, {"limit": most, "tokens": tokens, "chains": len(taken), "problems": len(problems)})


def in_turn(run: Any) -> Draws:
    """Return the draws of a run, all first ones first. A run in which some failed is refused."""
    if failed := run.summary().errors:
        refuse(f"{failed} draws of run `{run.id}` failed; the same command tries them again")
    rows = sorted((trace.sample, place, trace.problem.id, read_and_written(trace)) for place, trace, _ in run.rows())
    return [(problem, sample, tokens) for sample, _, problem, tokens in rows]


def read_and_written(trace: Any) -> int:
    """Return the tokens of a chain: those its teacher read, and those it wrote."""
    used = [call.reply.usage for call in trace.calls]
    if None in used:
        refuse(f"`{trace.calls[0].model}` does not say how many tokens it takes")
    return sum(one.input + one.output for one in used)


def affordable(draws: Draws, most: int) -> tuple[set[tuple[str, int]], int]:
    """Return the first draws that take so many tokens at most together, and what they take."""
    taken, spent = set[tuple[str, int]](), 0
    for problem, sample, tokens in draws:
        if spent + tokens > most:
            break
        taken.add((problem, sample))
        spent += tokens
    return taken, spent


def figures(field: str, *students: str) -> list[float]:
    """Return a figure of the cards of students, such as `tokens` and `seconds`."""
    from stepdown.models.weights import read_card

    return [getattr(read_card(Path(one)), field) for one in students]


def table(
    arms: Mapping[str, Sequence[str]],
    columns: Mapping[str, Mapping[str, object]],
    pairs: Sequence[tuple[str, str]],
) -> None:
    """Print right answers of each arm, by seed and with the interval over seeds and problems, and differences of pairs.

    An arm is a title with its runs, one for each seed; a pair is two titles. Only problems count that every run graded.
    """
    from stepdown.stats import crossed_difference, crossed_interval, holm
    from stepdown.text import chance

    rows = right_answers(arms)
    [shared] = {len(row) for some in rows.values() for row in some}
    head = ("student", f"right of {shared}, by seed", "% [95 % over seeds and problems]", *columns)
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name, some in rows.items():
        mean = sum(map(sum, some)) / len(some) / shared
        share = "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * one for one in (mean, *crossed_interval(some))))
        cells = (
            name,
            ", ".join(str(sum(row)) for row in some),
            share,
            *(one.get(name, "") for one in columns.values()),
        )
        print(f"| {' | '.join(map(str, cells))} |")
    print()
    apart = [crossed_difference(rows[one], rows[other]) for one, other in pairs]
    for (one, other), gap, adjusted in zip(pairs, apart, holm([gap.p for gap in apart]), strict=True):
        figure = "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * value for value in (gap.value, gap.low, gap.high)))
        after = f", {chance(adjusted)} after Holm over the {len(pairs)}" if len(pairs) > 1 else ""
        paired = f"paired over {len(rows[one])} seeds and {shared} problems"
        print(f"{one} less {other}: {figure} points, p {chance(gap.p)}{after}; {paired}")


def right_answers(arms: Mapping[str, Sequence[str]]) -> dict[str, list[list[int]]]:
    """Return for each arm a row for each seed: 1 or 0 for each problem that every run graded, in one order."""
    import stepdown as sd

    store, found = sd.open_store(), dict[str, list[dict[str, int]]]()
    for name, runs in arms.items():
        graded = ([*store.run(run).graded()] for run in runs)
        found[name] = [
            {trace.problem.id: int(grade.verdict == "right") for trace, grade in some if grade.verdict != "ungraded"}
            for some in graded
        ]
    shared = sorted(set.intersection(*(set(rights) for some in found.values() for rights in some)))
    if not shared:
        refuse("no problem was graded in every run")
    return {name: [[rights[one] for one in shared] for rights in some] for name, some in found.items()}


def main(way: str, *given: str) -> None:
    """Do what the shell asks for."""
    if way == "settings":
        settings(*given)
        return
    from stepdown import StepdownError

    try:
        if way == "sum":
            print(round(sum(figures(*given))))
        else:
            buy(*given)
    except StepdownError as error:
        refuse(error)


if __name__ == "__main__":
    main(*sys.argv[1:])
