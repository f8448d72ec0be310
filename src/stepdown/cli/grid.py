"""A grid of runs asked for in one command: methods x students x teachers x plans, as tasks."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from stepdown.cli.console.terminal import say
from stepdown.cli.downloads import download
from stepdown.cli.required_extras import check_extras
from stepdown.cli.unused_options import changed_options, given, refuse
from stepdown.errors import UsageError, blaming
from stepdown.graders import PREFIX, RubricGrader, judged_by, load_grader, read_rubric, rubric_judge
from stepdown.measuring import JudgeBudget, cached_model
from stepdown.methods import COMPARED, load_method
from stepdown.models import EngineAddress, Offer, ResidentModel, ServerFiles, load_model, unset_keys
from stepdown.models.local import EmbeddedModel
from stepdown.problems import Problems
from stepdown.prompts import completes, load_demonstrations, with_demonstrations, with_stops
from stepdown.runner import Plans, Task, load_model_or_run, load_plans, prompt_set_for
from stepdown.settings import PLANNING, EndpointSettings, GridSettings, RunSampling
from stepdown.store import Store
from stepdown.types import Grader, Method, Model


class Players:
    """The models of one command by name, each loaded once: its limits and connections are its own."""

    def __init__(
        self,
        store: Store,
        endpoint: EndpointSettings,
        *,
        logprobs: bool = False,
        keyless: bool = False,
        engine: Callable[[], EngineAddress | None] | None = None,
    ) -> None:
        """Load models of this machine here, or where `engine` is given have the one that it finds answer for them.

        With `keyless` nothing is to be asked, and the keys of endpoints may be missing.
        """
        self.store, self.endpoint, self.logprobs, self.engine = store, endpoint, logprobs, engine
        self.keyless = keyless
        self.loaded: dict[str, Model] = {}
        self._servers = ServerFiles(endpoint.servers)

    def load(self, name: str, option: str = "") -> Model:
        """Return the model of a model string, which an option of the command names. Raises `UsageError`."""
        if name not in self.loaded:
            given = self.endpoint
            load = partial(
                load_model,
                concurrency=given.concurrency,
                timeout=given.timeout,
                logprobs=self.logprobs,
                code=True,
                servers=self._servers,
                on=given.on or "",
                keyless=self.keyless,
            )
            with blaming(option):
                self.loaded[name] = self._announced(load_model_or_run(name, self.store, load=load))
        return self.loaded[name]

    def _announced(self, model: Model) -> Model:
        """Return a model that says when it is loaded, or the engine's for it."""
        if not isinstance(model, EmbeddedModel):
            return model
        announced = ResidentModel(model, self.engine) if self.engine is not None else model
        announced.on_loading = lambda loading: say(str(loading))
        return announced

    def add(self, offer: Offer, model: str) -> str:
        """Load a model that an address offers, and return its model string."""
        loaded = offer.load(model, concurrency=self.endpoint.concurrency, timeout=self.endpoint.timeout)
        self.loaded.setdefault(loaded.name, loaded)
        return loaded.name

    @property
    def unset(self) -> list[str]:
        """The variables of the keys that its models want and that are not set: none but with `keyless`."""
        return unset_keys(self.loaded.values())

    def check_place(self) -> None:
        """Refuse `--servers` and `--on` where they would change nothing. Raises `UsageError`."""
        names = ", ".join(f"`{name}`" for name in self.loaded)
        if unused := self._servers.unused:
            why = f"no model of this command ({names}) is behind the servers of `{unused[0]}`"
            refuse(["--servers"], why, "write `PROVIDER=FILE` with the provider of one that is, or leave it out")
        if self.endpoint.on and not any(model.capabilities.local for model in self.loaded.values()):
            refuse(
                ["--on"], f"{names} is not a model of this machine", "calls to a server need no cluster: leave it out"
            )

    def grader(self, name: str, *, judging: JudgeBudget | None = None, judge: str = "") -> Grader:
        """Return a grader by name; `judge:MODEL` and `rubric:FILE` ask a model, which pays for each judgement once.

        A rubric's model is `judge`, or the one that its file names. Raises `UsageError`.
        """
        if name.startswith("judge:"):
            return judged_by(cached_model(self.load(name.removeprefix("judge:")), self.store, judging=judging))
        if name.startswith(PREFIX):
            rubric = read_rubric(name.removeprefix(PREFIX))
            model = self.load(judge or rubric_judge(rubric, name))
            return RubricGrader(rubric, cached_model(model, self.store, judging=judging))
        return load_grader(name, code=True)

    def fetch(self) -> None:
        """Get the weights of embedded models that are not here yet, and say which models a graphics card computes.

        What of `--servers` and `--on` would change nothing is refused before. Raises `UsageError`.
        """
        self.check_place()
        download(self.loaded)
        for name, model in self.loaded.items():
            engine, _, place = (model.capabilities.source or "").partition("/")[2].partition("/")
            if model.capabilities.local and place:
                say(f"{name}: {engine} on {place.replace('/', ', ')}")

    async def close(self) -> None:
        """Let all models drop their connections."""
        for model in self.loaded.values():
            await model.close()


def methods_of(names: Sequence[str]) -> list[Method]:
    """Return the methods of these names, each once. Raises `UnknownName`."""
    chosen = [one for name in names for one in (COMPARED if name == "all" else (name,))]
    return [load_method(name, code=True) for name in dict.fromkeys(chosen)]


def tasks_of(problems: Problems, grid: GridSettings, sampling: RunSampling, players: Players) -> list[Task]:
    """Return the tasks of a grid, each setting once. Raises `UsageError` for any that cannot be right."""
    if not grid.student:
        raise UsageError(
            "no student is given", "give one with --student; `stepdown models` lists models", option="--student"
        )
    with blaming("--method"):
        methods = methods_of(grid.method)
    drawn, planned_by, stops = sampling.sampling(), sampling.teacher_sampling(), sampling.stops
    _check_effects(grid, sampling, methods)
    check_extras((*grid.student, *grid.teacher), problems)
    with blaming("--plans"):
        planned = [load_plans(name, _control(control), find_run=players.store.run)
                   for name in dict.fromkeys(grid.plans) for control in dict.fromkeys(grid.control)]  # fmt: skip
    demonstrations = load_demonstrations(grid.demos) if grid.demos else ()
    tasks = []
    for student in dict.fromkeys(grid.student):
        for method in methods:
            for plans, teacher in _plans_and_teachers(method, planned, grid.teacher):
                solver, writer = (
                    players.load(student, "--student"),
                    players.load(teacher, "--teacher") if teacher else None,
                )
                with blaming("--prompts"):
                    words = prompt_set_for(method, grid.prompts, solver, writer, code=True)
                examples = method.shows_examples
                planner = solver if plans.source == "own" else writer
                tasks.append(
                    Task(
                        problems=problems,
                        method=method,
                        student=solver,
                        teacher=writer,
                        plans=plans,
                        grader=players.grader(grid.grader),
                        prompts=with_demonstrations(words, demonstrations) if examples else words,
                        sampling=with_stops(drawn, stops, words, examples=examples, completes=completes(solver)),
                        teacher_sampling=with_stops(planned_by, None, words, completes=completes(planner)),
                        samples=grid.samples,
                        plan_samples=grid.plan_samples if method.plan is not None else 1,
                    )
                )
    players.check_place()
    for task in tasks:
        task.check()
    return tasks


def _check_effects(grid: GridSettings, sampling: RunSampling, methods: Sequence[Method]) -> None:
    """Refuse what would change nothing in any run of the grid. Raises `UsageError`."""
    names = ", ".join(f"`{method.name}`" for method in methods)
    planning = [method for method in methods if method.plan is not None]
    if not planning:
        taught = any(method.asks_teacher for method in methods)
        # `--control none` and `--top-p 1` say what happens anyway, so they may stand in any command.
        unused = given(grid, "plans", "plan_samples") + changed_options(grid, "control")
        unused = unused if taught else given(grid, "teacher") + unused + given(sampling, *PLANNING)
        refuse(unused, f"{names} makes no plans", "add --method trace-of-thought, or leave it out")
    elif "teacher" not in grid.plans:
        refuse(given(grid, "teacher"), "no plans come from a teacher", "add --plans teacher, or leave it out")
        unused = [] if "own" in grid.plans else given(sampling, *PLANNING)
        refuse(unused, "this command writes no plans", "leave it out")
    if sampling.temperature == 0 and (not planning or sampling.teacher_temperature == 0):
        refuse(
            changed_options(sampling, "top_p"), "greedy decoding does not sample", "give --temperature, or leave it out"
        )
    if not any(method.shows_examples for method in methods):
        refuse(given(grid, "demos"), f"{names} uses no demonstrations", "add --method few-shot, or leave it out")


def _control(name: str) -> str:
    return "" if name == "none" else name


def _plans_and_teachers(
    method: Method, planned: Sequence[Plans], teachers: Sequence[str]
) -> Iterator[tuple[Plans, str]]:
    """Stream whose plans a method runs with: once without plans, and once per source but for each teacher."""
    if method.plan is None:
        yield from ((Plans(), teacher) for teacher in (dict.fromkeys(teachers) if method.asks_teacher else ()) or ("",))
        return
    for plans in planned:
        if plans.source == "teacher":
            yield from ((plans, teacher) for teacher in dict.fromkeys(teachers) or ("",))
        else:
            yield plans, ""
