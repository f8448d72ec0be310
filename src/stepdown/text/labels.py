"""How a run is labelled in tables, charts and pages: its method, and whose plans it used."""

from typing import Protocol

from stepdown.text.figures import DASH, short

# What a column `cut` counts, below whichever table has it.
CUT = "cut: traces with a reply that is not known to be whole: at its token limit, filtered, or of an unknown end."


class HasSamples(Protocol):
    """Whatever says by which method a run solved, and with how many samples a problem."""

    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def samples(self) -> int: ...  # noqa: D102


class HasPlans(Protocol):
    """Whatever says where a run's plans came from: its settings, or a row of a report."""

    @property
    def teacher(self) -> str: ...  # noqa: D102
    @property
    def plans(self) -> str: ...  # noqa: D102
    @property
    def control(self) -> str: ...  # noqa: D102


def method_of(run: HasSamples) -> str:
    """Return a run's method, with its number of samples where there are several."""
    return f"{run.method} ×{run.samples}" if run.samples > 1 else run.method


def plans_of(run: HasPlans, planner: str = "") -> str:
    """Return whose plans a run used, and what was done to them; `planner` wrote recorded ones, where that is known.

    Plans that a person was shown first are `reviewed`, those of a run solved again by a person's edits `edited`.
    """
    way, _, review = run.plans.partition("+")
    note = ""
    if way.startswith("edited/"):
        source, note = run.teacher or planner, "edited"
    elif way in ("", "teacher", "own", "gold"):
        source = run.teacher if way in ("", "teacher") else way
    else:
        source, note = planner or way, "recorded" if planner else ""
    # Of plans that were edited by the run's own name for them, nothing says who wrote them first.
    writer = short(source) if source else "" if note else DASH
    return ", ".join(filter(None, (writer, note, review, run.control)))
