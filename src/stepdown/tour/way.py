"""The way through the study: its stops in their order, what each shows, and the page of `serve` that shows it."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec

from stepdown.tour.study import CORPUS, Study


class TourStop(msgspec.Struct, frozen=True):
    """One stop: its title, what is seen there, and the address of its page."""

    number: int
    title: str
    words: str
    address: str


class Way(msgspec.Struct, frozen=True):
    """All stops, in order."""

    stops: tuple[TourStop, ...]

    @classmethod
    def through(cls, study: Study, *, chains: bool = True) -> "Way":
        """Return the way through a study; without `chains`, which take the extra `data`, to the corpus' card alone."""
        listed = enumerate(zip(_WORDS, _addresses(study, chains), strict=True), 1)
        trained = _TRAINED if study.runs.distilled else {}
        return cls(
            tuple(
                TourStop(number, title, words + trained.get(number, ""), at) for number, ((title, words), at) in listed
            )
        )

    def at(self, address: str) -> TourStop | None:
        """Return the stop whose page an address is: its path, and at least what its query asks; None for others."""
        path, asked = _parts(address)
        found = [stop for stop in self.stops if _parts(stop.address)[0] == path and _parts(stop.address)[1] <= asked]
        return max(found, key=lambda stop: len(_parts(stop.address)[1]), default=None)

    def after(self, stop: TourStop) -> TourStop | None:
        """Return the next stop, None after the last."""
        return self.stops[stop.number] if stop.number < len(self.stops) else None


def _parts(address: str) -> tuple[str, set[tuple[str, str]]]:
    parts = urlsplit(address)
    return parts.path, set(parse_qsl(parts.query))


def _compare(*runs: str, **more: str) -> str:
    return "/compare?" + urlencode([*(("run", run) for run in runs), *more.items()])


def _addresses(study: Study, chains: bool) -> tuple[str, ...]:
    runs, problem = study.runs, quote(study.problem)
    methods = (runs.direct, runs.thought, runs.planned, runs.traced, runs.gold)
    return (
        "/",
        _compare(*methods, baseline=runs.direct),
        f"/runs/{runs.traced}/traces/{problem}",
        f"/runs/{runs.mended}/traces/{problem}",
        _compare(runs.traced, runs.mended, baseline=runs.traced, pair=runs.mended),
        _compare(*methods, *filter(None, [runs.distilled]), baseline=runs.thought),
        f"/corpora/{CORPUS}?{urlencode({'problem': study.example.number})}" if chains else "/corpora",
    )


_WORDS = (
    (
        "The runs",
        "Each line is one way to solve the same word sums: how many came out right, and the tokens they took.",
    ),
    (
        "What a plan is worth",
        "The student by itself, then with plans of a larger teacher and with the data set's own. Every share has its "
        "interval, every difference its test: where the interval holds 0, nothing is shown.",
    ),
    (
        "A wrong trace",
        "A plan, the solution by it, and why that counts as wrong. Read the plan first: the student did what it says.",
    ),
    (
        "The plan, mended",
        "A person changed the plan and said why; the same student solved the problem again by it. The edit, who made "
        "it and the plan before it stay in the store.",
    ),
    (
        "The flip in Compare",
        "Before and after that edit, problem by problem. Only what turned is listed, each with both traces.",
    ),
    (
        "What it costs",
        "Right answers against tokens, as a chart below the tables. Models of one's own machine cost no money, so "
        "tokens stand for the price: a teacher's plans come on top.",
    ),
    (
        "The corpus",
        "A teacher's solutions of other problems, the right ones: what `stepdown train` makes a student from.",
    ),
)
# What is said besides where the study has a trained student.
_TRAINED = {
    6: " A student trained on chains writes less.",
    7: " A copy of the student was trained on them, for minutes: its run is the last row of the page before.",
}
