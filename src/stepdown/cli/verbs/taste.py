"""`stepdown taste`: what a corpus would teach, from a little of it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Annotated

import msgspec
from cyclopts import Parameter

from stepdown.cli.console.interrupts import end_with_stdin
from stepdown.cli.console.terminal import say, show_json
from stepdown.cli.from_settings import verb
from stepdown.cli.options import CHOICE, SETTINGS, OutputOptions
from stepdown.cli.student_tests import runs_of, solve, untrained
from stepdown.cli.taste_tables import show_tastes
from stepdown.cli.training_options import AllowChains, ChainRate, Full, MaxLength, Precision, Rank, TrainingPrompts
from stepdown.cli.verbs.study import draw_tests
from stepdown.cli.verbs.train import StudentOptions, following
from stepdown.corpus import StudentScores, open_corpus
from stepdown.errors import UsageError
from stepdown.files import write_whole
from stepdown.graders import majority_grade
from stepdown.models import Prices
from stepdown.models.weights import read_card
from stepdown.object_stores import refuse_address
from stepdown.problems import Problems, load_problems
from stepdown.settings import GridSettings, StudySampling
from stepdown.store import Store
from stepdown.tasting import (
    ChainPrice,
    Taste,
    TasteCurves,
    TastedStudent,
    affordable,
    best_shares,
    chain_signs,
    halved_sizes,
    of_another,
    price_chains,
    priced_by_store,
    purchases,
    read_portions,
    taste_curves,
    taste_folder,
    write_taste,
)
from stepdown.training import Training, check_content, refuse_overlap, refuse_tests, train
from stepdown.types import Chain, Usage, Verdict

VERSION = 1
DEFAULTS = Training()
# Chains of which signs are looked for, and by which a chain is priced.
_LOOKED_AT = 1_000
# Fewer dev problems than this, and sizes so many times the largest tried, are remarked on.
_FEW, _FAR = 50, 20
_HELD_OUT, _ROW = "held-out.jsonl", ("id", "question", "answer", "choices", "kind")


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class TasteOptions:
    """What is tasted.

    Parameters
    ----------
    base
        The model that every student begins as.
    size
        How many chains you think of buying.
    chains
        How many chains the largest of the small students learns from; the others from halves of that, nested.
    points
        How many sizes are tried.
    seeds
        Students of each size, each of other chains.
    keep
        Filters that work first, such as `right`, as they would on the whole; may be given several times.
    dev
        Problems to test on, such as `wordsums/dev` or a file; otherwise some of the corpus's are held out, a quarter at
        most. A test split is refused.
    data
        The file of --dev, in its benchmark's published format.
    dev_count
        How many dev problems.
    losses
        How many held-out chains each student reads for its loss, a signal with less noise; 0: none.
    instead
        Another teacher, such as `openai/gpt-4o-mini`: what the same money buys of it; may be given several times.
    prices
        A JSON or TOML file of dollars per million tokens, as `run` takes it.
    out
        A folder for the students and what was found; otherwise CORPUS-taste, beside the corpus.
    """

    base: str = ""
    size: int = 5_000
    chains: int = 100
    points: int = 4
    seeds: int = 1
    keep: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    dev: str | None = None
    data: Path | None = None
    dev_count: int = 100
    losses: int = 32
    instead: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    prices: Path | None = None
    out: Path | None = None

    def check(self, corpora: Sequence[Path]) -> None:
        """Raise `UsageError` where something is not given, or cannot be."""
        if not corpora or not self.base:
            raise UsageError("a taste needs a corpus and --base", "stepdown taste CORPUS --base smollm2-135m")
        for name in ("size", "points", "seeds", "dev_count"):
            if getattr(self, name) < 1:
                flag = f"--{name.replace('_', '-')}"
                raise UsageError(f"`{flag} {getattr(self, name)}` is none", "give 1 or more", option=flag)
        if self.chains < 4:
            raise UsageError(f"`--chains {self.chains}` are too few to learn from", "give 4 or more", option="--chains")
        if self.losses < 0:
            raise UsageError(f"`--losses {self.losses}` chains", "give 0 for no loss, or more", option="--losses")
        for place in corpora if self.out is None else (self.out,):
            refuse_address(place, "name a folder of this machine with --out")
        if self.out is not None and len(corpora) > 1:
            raise UsageError("one `--out` cannot hold several tastes", "leave it out: each lies beside its corpus")

    def problems(self) -> Problems | None:
        """Return the dev problems, None where they are to be held out. Raises `UsageError` for those to test on."""
        options = StudentOptions(base=self.base, out=Path(), dev=self.dev, data=self.data)
        found = options.problems(self.dev_count)
        if found is not None:
            refuse_tests(found.dataset, found)
        return found


@Parameter(name="*", group=SETTINGS)
@dataclass(frozen=True, kw_only=True)
class TasteTraining:
    """How students are trained, at every size alike.

    Parameters
    ----------
    target
        What is learned: `chain`, `label`, `answer-first`, `shuffled`, `filler`.
    passes
        How often each chain is learned from; so a student of more chains takes more steps.
    batch
        Chains per step.
    """

    target: str = DEFAULTS.target
    passes: float = 2.0
    batch: int = 8
    learning_rate: ChainRate = None
    rank: Rank = DEFAULTS.rank
    full: Full = False
    max_length: MaxLength = DEFAULTS.max_length
    precision: Precision = DEFAULTS.precision
    prompts: TrainingPrompts = DEFAULTS.prompts
    allow: AllowChains = ()

    def training(self, chains: int, seed: int) -> Training:
        """Return the settings of a student of so many chains. Raises `UsageError` and `UnknownName`."""
        if not self.passes > 0:
            raise UsageError(f"`--passes {self.passes:g}` learns nothing", "give more than 0", option="--passes")
        named = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "passes"}
        steps = max(1, round(self.passes * chains / max(1, self.batch)))
        settings = Training(**named, steps=steps, seed=seed, evaluations=0, checkpoints=1)
        settings.check()
        return settings


class TasteFindings(msgspec.Struct, frozen=True, kw_only=True):
    """What `taste --json` prints: a taste of each corpus."""

    tastes: tuple[Taste, ...]
    version: int = VERSION


OPTIONS, TRAINING, SOLVING, OUTPUT = TasteOptions(), TasteTraining(), StudySampling(), OutputOptions()


@verb
def taste(
    *corpora: Path,
    options: TasteOptions = OPTIONS,
    settings: TasteTraining = TRAINING,
    solving: StudySampling = SOLVING,
    output: OutputOptions = OUTPUT,
) -> int:
    """Tell what corpora would teach, from a little of each.

    Parameters
    ----------
    corpora
        Corpora of chains, whole or the first hundred of what may be bought; several are compared for the same money.
    """
    end_with_stdin()
    options.check(corpora)
    dev, prices = options.problems(), Prices(options.prices)
    for teacher in options.instead:
        if prices.cost(teacher, Usage(1, 1)) is None:
            hint = "give its price in a file (`--prices FILE`), or name another"
            raise UsageError(f"nobody knows what `{teacher}` costs", hint, option="--instead")
    with output.open() as store:
        work = [_Tasting(one, options, settings, solving, store) for one in corpora]
        for one in work:
            one.check(dev)
        for one in work:
            one.train_and_test(dev)
        tastes = _compared(work, options, prices)
    for one, found in zip(work, tastes, strict=True):
        write_taste(found, one.out)
    if output.json:
        show_json(TasteFindings(tastes=tastes))
    else:
        show_tastes(tastes)
    for one in work:
        say(f"students and what was found lie in {one.out}")
    return 0


class _Tasting:
    """The students of one corpus: trained, tested, and their verdicts and losses side by side."""

    def __init__(
        self, corpus: Path, options: TasteOptions, settings: TasteTraining, solving: StudySampling, store: Store
    ) -> None:
        self.options, self.settings, self.store = options, settings, store
        self.sampling, self.samples = draw_tests(solving), solving.samples
        self.corpus = open_corpus(corpus)
        self.out = options.out or taste_folder(corpus)
        held_out = options.dev_count if options.dev is None else options.losses
        self.portions = read_portions(corpus, keep=options.keep, held_out=held_out)
        largest = min(options.chains, self.portions.chains)
        self.sizes = halved_sizes(largest, options.points)
        self.students = list[TastedStudent]()
        self.verdicts = list[tuple[int, dict[str, Verdict]]]()
        self.losses = list[tuple[int, list[float]]]()
        self.test = ""

    def check(self, dev: Problems | None) -> None:
        """Raise, before anything is trained, where it cannot be. Raises `UsageError` and `UnknownName`."""
        check_content(self.corpus, self.settings.training(self.sizes[-1], 0))
        if dev is not None:
            learned = frozenset(self.portions.counts.keys() - self.portions.held_out)
            named = "=".join(str(one) for one in (self.options.dev, self.options.data) if one is not None)
            refuse_overlap(learned, dev, dev.dataset, named=named, allow=self.settings.allow)
        untrained(self.options.base, needed="taste")

    def train_and_test(self, dev: Problems | None) -> None:
        """Train the students that are not there, and test those that are not tested; the base first."""
        tested = self._held_out() if dev is None else dev
        self.test = tested.dataset
        chains = self.portions.chains_held_out(self.options.losses)
        places = [(size, seed) for seed in range(self.options.seeds) for size in self.sizes]
        self._test(0, 0, untrained(self.options.base, needed="taste"), tested, chains)
        for number, (size, seed) in enumerate(places, 1):
            say(f"{number}/{len(places)}: {size} chains, seed {seed}")
            view, count = self.portions.view(size, seed), self.portions.count(size, seed)
            folder = self.out / "students" / f"{size}-chains" / f"seed-{seed}"
            train(
                view,
                base=self.options.base,
                out=folder,
                training=self.settings.training(count, seed),
                progress=following(),
            )
            self._test(count, seed, str(folder), tested, chains)

    def _held_out(self) -> Problems:
        """Return the problems that are held out, which lie beside the students."""
        rows = ({name: getattr(one, name) for name in _ROW} for one in self.portions.problems())
        body = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        self.out.mkdir(parents=True, exist_ok=True)
        write_whole(self.out / _HELD_OUT, body)
        return load_problems(str(self.out / _HELD_OUT))

    def _test(self, count: int, seed: int, student: str, tested: Problems, chains: Sequence[Chain]) -> None:
        """Have a student, or the base, solve the dev problems and read the held-out chains."""
        training = self.settings.training(max(1, count), seed)
        grid = GridSettings(
            method=(training.method,),
            student=(student,),
            prompts="" if count else self.settings.prompts,
            samples=self.samples,
        )
        [run] = runs_of(solve(tested, grid, self.sampling, self.store))
        verdicts = {some[0][0].problem.id: majority_grade(some).verdict for some in run.by_problem()}
        read = [one.surprisal for one in StudentScores(student).of(chains)] if chains else []
        card = read_card(Path(student)) if count else None
        self.verdicts.append((count, verdicts))
        self.losses.append((count, read))
        self.students.append(
            TastedStudent(
                chains=count,
                problems=card.lessons.problems if card else 0,
                seed=seed,
                steps=card.steps if card else 0,
                run=run.id,
                right=list(verdicts.values()).count("right"),
                graded=sum(one != "ungraded" for one in verdicts.values()),
                loss=fmean(read) if read else None,
                seconds=card.seconds if card else 0.0,
            )
        )

    def curves(self) -> TasteCurves:
        """Return the curves through the students, over the problems that all of them have graded."""
        first = self.verdicts[0][1]
        known = [one for one in first if all(row.get(one, "ungraded") != "ungraded" for _, row in self.verdicts)]
        rights = [(size, [int(row[one] == "right") for one in known]) for size, row in self.verdicts]
        return taste_curves(rights, self.losses)

    def price(self, prices: Prices) -> ChainPrice:
        """Return what a chain that `--keep` leaves costs."""
        share = sum(self.portions.counts.values()) / max(1, self.corpus.card.chains)
        price = price_chains(self.corpus, list(islice(self.corpus, _LOOKED_AT)), share, prices)
        return priced_by_store(price, self.corpus, self.store, prices)

    def notes(self, size: int) -> tuple[str, ...]:
        """Return what is to be known beside the figures."""
        problems, largest = self.students[0].graded, self.students[-1].chains
        lines = [
            (problems < _FEW, f"{problems} dev problems say little: give some with --dev"),
            (size > _FAR * largest, f"{size:,} chains are {size / largest:.0f} times as many as were tried"),
            (self.options.seeds < 2, "one student of each size: how far seeds differ is taken from elsewhere"),
        ]
        return tuple(words for holds, words in lines if holds)


def _compared(work: Sequence[_Tasting], options: TasteOptions, prices: Prices) -> tuple[Taste, ...]:
    """Return the taste of each corpus, those after the first at the size that the same money buys."""
    curves, costs = [one.curves() for one in work], [one.price(prices) for one in work]
    sizes = [affordable(options.size, costs[0], cost) for cost in costs]
    best = best_shares(curves, sizes)
    return tuple(_taste(*each, options, prices) for each in zip(work, curves, costs, sizes, best, strict=True))


def _taste(
    one: _Tasting,
    curves: TasteCurves,
    cost: ChainPrice,
    size: int,
    best: float | None,
    options: TasteOptions,
    prices: Prices,
) -> Taste:
    between = round((curves.largest * size) ** 0.5)
    shown = sorted({curves.largest, between, size}) if size > curves.largest else [size]
    others = [of_another(cost, teacher, prices) for teacher in options.instead]
    return Taste(
        corpus=one.corpus.name,
        fingerprint=one.corpus.card.fingerprint,
        base=options.base,
        test=one.test,
        size=size,
        passes=one.settings.passes,
        teachers=one.corpus.card.teachers,
        students=tuple(one.students),
        expected=tuple(map(curves.expect, shown)),
        signs=chain_signs(islice(one.corpus.groups(), _LOOKED_AT)),
        purchases=purchases(cost, size, one.portions.each, others),
        notes=one.notes(size),
        best=best,
    )
