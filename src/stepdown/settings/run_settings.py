"""What a run is: which problems, which methods and models, how text is drawn, what it may cost."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec

from stepdown.settings.options import Count, Dollars, Offset, Points, Seconds, Total, arguments, option, options_of
from stepdown.settings.sampling import RunSampling
from stepdown.shards import Shard, parse_shard
from stepdown.types import Kind

Names = tuple[str, ...]
SETTINGS = "Settings"


class ProblemSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which problems of a data set or file."""

    group: ClassVar[str] = "Problems"
    limit: Annotated[
        Count | None,
        option("Take this many problems.", label="Problems", hint="empty: all there are", short="-n"),
    ] = None
    offset: Annotated[Offset, option("Leave out the first ones.", label="Leave out the first")] = 0
    split: Annotated[str | None, option("The part of the data set, such as `test`; each data set has its default.")] = (
        None
    )
    data: Annotated[
        Path | None,
        option(
            "A local file, in the benchmark's published format or with the columns below: .jsonl, .json, .csv, .tsv, "
            ".parquet."
        ),
    ] = None
    question: Annotated[str | None, option("The column that holds the question.")] = None
    answer: Annotated[str | None, option("The column that holds the gold answer.")] = None
    choices: Annotated[str | None, option("The column that holds the choices, or several with commas between.")] = None
    id: Annotated[str | None, option("The column that holds each problem's own id.")] = None
    kind: Annotated[
        Kind | None, option("What an answer is; inferred row by row where not given, and reported once at the start.")
    ] = None
    problems_seed: Annotated[int, option("The seed of generated problems (`wordsums`).")] = 0


class GridSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared; methods, students, teachers, plans and controls may each be several."""

    group: ClassVar[str] = "What"
    method: Annotated[
        Names,
        option(
            "A way of solving: `direct`, `chain-of-thought`, `plan-and-solve` or `trace-of-thought` (`all`: these "
            "four), `few-shot`, `least-to-most`, `self-refine`, `taking-turns`, `plan-and-budget`, "
            "`speculative-thinking`, `best-of-n`, `step-reminders`, `one-step-at-a-time`; by some also called `cot`, "
            "`pas`, `tot`, `ltm`, `cope`; a plugin's, or your own, `FILE.py:NAME` (so it is for student, teacher, "
            "prompt set, grader and data set)."
        ),
    ] = ("trace-of-thought",)
    student: Annotated[
        Names,
        option(
            "The model that solves, such as `ollama/llama3.2:1b`, `embedded/NAME`, a student folder, a .gguf file, or "
            "`recorded/RUN`."
        ),
    ] = ()
    teacher: Annotated[Names, option("The model that writes plans.", show_default=False)] = ()
    plans: Annotated[
        Names,
        option("Where plans come from: `teacher`, `own` (the student's), `gold`, a run's id or a .jsonl file."),
    ] = ("teacher",)
    control: Annotated[
        Names,
        option(
            "Spoil each plan on purpose: `shuffled`, `generic`, `masked`, `no-nosolve`, or `leaked`, which reveals the "
            "answer as an upper bound; `none` leaves it alone."
        ),
    ] = ("none",)
    prompts: Annotated[
        str,
        option(
            "The prompt set: `default`, `paper`, `code`, `traces`, `student`, `scotd` or a .toml file; where not "
            "given, a trained student or planner gets the prompts it was trained on, any other model `default`.",
            group=SETTINGS,
        ),
    ] = ""
    demos: Annotated[
        Path | None,
        option("Your own demonstrations for `few-shot`: a .jsonl of `question`, `chain`, `answer`.", group=SETTINGS),
    ] = None
    grader: Annotated[
        str,
        option(
            "What reads the solutions: `default`, `strict`, `lenient`, `numeric`... `judge:MODEL` or `rubric:FILE`.",
            group=SETTINGS,
        ),
    ] = "default"
    samples: Annotated[
        Count,
        option(
            "Draw this many solutions per problem, all by one plan; the majority decides (self-consistency).",
            label="Samples per problem",
            hint="the majority decides; give a temperature too",
            group=SETTINGS,
        ),
    ] = 1
    plan_samples: Annotated[
        Count,
        option(
            "Draw this many plans per problem; the solutions of --samples take turns among them, and the report says "
            "what the plan makes of the variance. Give --teacher-temperature too.",
            group=SETTINGS,
        ),
    ] = 1


class ShardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of the problems this machine takes."""

    group: ClassVar[str] = "Problems"
    shard: Annotated[
        str | None,
        option(
            "Take part `i/n` of the problems, such as `2/3`, by the hash of each question; `stepdown store merge` "
            "joins what the parts wrote."
        ),
    ] = None

    @property
    def chosen(self) -> Shard | None:
        """The part that is meant, None for all problems. Raises `UsageError`."""
        return None if self.shard is None else parse_shard(self.shard)


class StoppingSettings(ShardSettings, frozen=True, kw_only=True):
    """Which part of the problems this machine takes, and when runs end before all of them are solved."""

    group: ClassVar[str] = "Problems"
    until: Annotated[
        Literal["decided"] | None,
        option(
            "Solve the problems of all runs side by side, and end each run once its comparison with the first one is "
            "`decided`: it differs, or by less than --margin. Problems are taken as if by lot, --limit of them at "
            "most.",
            label="End runs early, once",
            hint="decided: each run ends when its comparison with the first is, by a test that holds however it ends",
        ),
    ] = None
    margin: Annotated[
        Points,
        option(
            "The least difference of interest, in percentage points, for --until.",
            label="Least difference of interest",
            hint="percentage points; a smaller one is not looked for",
        ),
    ] = 5.0
    sure: Annotated[
        str, option("How certain --until is that a difference is one, over all comparisons of the command.")
    ] = "95%"
    power: Annotated[str, option("How certain --until is not to call a difference of --margin less than that.")] = "80%"


class BudgetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What it may cost."""

    group: ClassVar[str] = "Money"
    budget: Annotated[
        Dollars | None,
        option(
            "Stop before spending more US dollars than this; a run counts what earlier commands spent on it.",
            label="Budget in US dollars",
            hint="empty: no limit",
        ),
    ] = None
    max_tokens_total: Annotated[
        Total | None,
        option(
            "Stop before using more tokens than this, all roles together; a run counts what earlier commands used.",
            label="Most tokens in all",
            hint="empty: no limit",
        ),
    ] = None
    prices: Annotated[
        Path | None,
        option('A JSON or TOML file of dollars per million tokens: {"openai/gpt-4o": {"input": 2.5, "output": 10.0}}.'),
    ] = None


class RunBudgetSettings(BudgetSettings, frozen=True, kw_only=True):
    """What it may cost, or would."""

    estimate: Annotated[
        bool, option("Report what the command would cost, send nothing and exit.", show_default=False)
    ] = False


class BatchSettings(RunBudgetSettings, frozen=True, kw_only=True):
    """What it may cost, or would, and whether calls are made in batches."""

    batch: Annotated[
        bool,
        option(
            "Ask by the providers' batch APIs, at half the price and within a day: all plans in one batch, all "
            "solutions in the next (docs/batches.md).",
            show_default=False,
        ),
    ] = False
    leave: Annotated[
        bool,
        option(
            "With --batch: send and exit; the same command, or `stepdown batches wait`, takes up the answers.",
            show_default=False,
        ),
    ] = False


class EndpointSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How endpoints are asked."""

    group: ClassVar[str] = "Endpoint"
    concurrency: Annotated[
        Count | None,
        option(
            "Keep this many requests in flight per model (of a fleet, per server); adapted to what answers where not "
            "given.",
            label="Calls at once per model",
            hint="empty: found by trying",
        ),
    ] = None
    timeout: Annotated[Seconds, option("Seconds that one request may take.")] = 600.0
    servers: Annotated[
        Names,
        option(
            "A file of servers that all serve the model, an address a line, asked as one fleet; it is read again as it "
            "changes. `PROVIDER=FILE` where models of several providers are asked; may be given several times.",
            show_default=False,
        ),
    ] = ()
    on: Annotated[
        Literal["ray"] | None,
        option("Hold each model of this machine on every node of a Ray cluster (docs/ray.md)."),
    ] = None


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `stepdown run` is given but where its store is."""

    dataset: str
    problems: ProblemSettings = ProblemSettings()
    grid: GridSettings = GridSettings()
    sampling: RunSampling = RunSampling()
    budget: BudgetSettings = BudgetSettings()
    endpoint: EndpointSettings = EndpointSettings()
    stopping: StoppingSettings = StoppingSettings()
    review: bool = False

    @property
    def options(self) -> list[str]:
        """The options of `stepdown run` that give these settings; the data set stands after them."""
        parts = (self.problems, self.grid, self.sampling, self.budget, self.endpoint, self.stopping)
        return [one for part in parts for one in arguments(part)] + ["--review"] * self.review


_PARTS: tuple[type[msgspec.Struct], ...] = (
    ProblemSettings,
    GridSettings,
    RunSampling,
    BudgetSettings,
    EndpointSettings,
    StoppingSettings,
)
# The settings that a form shows as they are: those with a label.
FORM = {name: one for part in _PARTS for name, one in options_of(part).items() if one.label}
