"""`stepdown perturb`: a contrast set of any problems."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.from_settings import verb
from stepdown.cli.options import CHOICE, Flag, Json
from stepdown.cli.problem_choice import load_chosen
from stepdown.problems import Perturbed, Problems, write_perturbed
from stepdown.problems import perturb as changed
from stepdown.settings import ProblemSettings
from stepdown.text import clipped

PROBLEMS = ProblemSettings()


class Contrast(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: the object of `perturb --json`; `left_out` counts problems by the reason."""

    dataset: str
    change: str
    file: str
    problems: int
    left_out: dict[str, int]
    version: int = 1


@verb
def perturb(
    dataset: str,
    /,
    *,
    change: Annotated[Literal["numbers", "names", "distractor"], Parameter(group=CHOICE)],
    out: Annotated[Path, Parameter(group=CHOICE)],
    seed: Annotated[int, Parameter(group=CHOICE)] = 0,
    force: Annotated[Flag, Parameter(group=CHOICE)] = False,
    problems: ProblemSettings = PROBLEMS,
    json: Json = False,
) -> int:
    """Write the same problems a little changed, to run on as a contrast set.

    Parameters
    ----------
    dataset
        A named data set or a file of problems.
    change
        `numbers` (the answer is worked out again, only where that is certain), `names`, or `distractor`: one sentence
        more, about something else.
    out
        The .jsonl file to write.
    seed
        The seed of what is drawn.
    force
        Replace a file that is there.
    """
    chosen = load_chosen(problems, dataset, preferred="test")
    found = changed(chosen, change, seed=seed)
    write_perturbed(found, out, dataset=chosen.dataset, force=force)
    written = Contrast(
        dataset=chosen.dataset, change=change, file=str(out), problems=len(found.problems), left_out=found.left_out
    )
    if json:
        show_json(written)
    else:
        show_contrast(written, found, chosen)
    say(f"stepdown run {out} ..., and `stepdown report ORIGINAL --contrast CHANGED` pairs the two runs")
    return 0


def show_contrast(written: Contrast, found: Perturbed, originals: Problems) -> None:
    """Write how many problems were changed, why others were not, and the first one before and after."""
    total = written.problems + sum(written.left_out.values())
    show(f"{written.file}: {written.problems:,} of {total:,} problems of {written.dataset}, {written.change} changed")
    show(*(f"left out, {count:,}: {reason}" for reason, count in written.left_out.items()))
    first = found.problems[0]
    before = next(one for one in originals if one.id == first.id)
    show("", f"before: {clipped(before.question, 400)} [{before.answer}]")
    show(f"after:  {clipped(first.question, 400)} [{first.answer}]")
