"""From the name a client asks for to who plays which role: names of `stepdown.toml`, and `METHOD/TEACHER->STUDENT`."""

from collections.abc import Iterator, Sequence

import msgspec

from stepdown.errors import UsageError
from stepdown.graders import load_grader
from stepdown.methods import METHODS, load_method
from stepdown.models import ADDRESSES
from stepdown.problems import Problems
from stepdown.runner import VOTING, Cascade, Plans, Task, prompt_set_for
from stepdown.store import SERVED, HandedOn, Run, Store, StoredTrace
from stepdown.types import Kind, Model, Problem, Settings, fingerprint
from stepdown.web.config import Config, Served
from stepdown.web.openai.drift_alarm import Calibrated, tell
from stepdown.web.openai.errors import no_model
from stepdown.web.state import State

DATASET = SERVED
ANY = Problem(f"{DATASET}/any", "any", "any", kind="text")  # stands for what is asked, which nobody knows yet
MOST_MODELS = 100
LISTED_RUNS = 50
# A name in a request reaches endpoints the server's person has set up and models known by name, never a file.
PROVIDERS = frozenset({*ADDRESSES, "openai-api", "openai-completions", "embedded"})


class ServedModel:
    """A served model, ready to be asked, and the run that keeps what it answered.

    `cascade` is None where one plan is enough, `calibrated` where it is no cascade or nobody says what share it should
    hand on; `kind` is what its answers are.
    """

    calibrated: Calibrated | None = None

    def __init__(self, task: Task, settings: Settings, kind: Kind, cascade: Cascade | None = None) -> None:
        self.task, self.settings, self.kind, self.cascade = task, settings, kind, cascade
        self._run: Run | None = None

    def keep(self, store: Store, rows: Sequence[StoredTrace]) -> None:
        """Keep the traces of one request, all or none, and raise the alarm that they give. Raises `StoreError`."""
        self._run = self._run or store.open_run(self.settings)
        alarms: list[HandedOn] = []
        with store.writing():
            for row in rows:
                self._run.append(row.trace, row.keys)
                raised = self.calibrated.watch(self._run, row) if self.calibrated is not None else None
                alarms += [raised] if raised is not None else []
        for alarm in alarms:
            tell(alarm)

    def known(self, store: Store) -> bool:
        """Whether this model ever answered a request."""
        return self._run is not None or any(run.id == store.id_of(self.settings) for run in store.runs())


def find_served(name: str, config: Config) -> Served:
    """Return the method and players of a name. Raises `Refusal` (404) for one that names none."""
    if name in config.models:
        return config.models[name]
    method, _, players = name.partition("/")
    teacher, arrow, student = players.rpartition("->")
    if method not in METHODS or METHODS[method].shows_examples:
        raise no_model(name)
    if arrow and not METHODS[method].asks_teacher:
        raise no_model(name, f"`{method}` has no plan, so it takes no teacher: `{method}/STUDENT`")
    for player in (teacher, student) if arrow else (student,):
        if not is_open(player):
            raise no_model(name, f"`{player[:100]}` is not a `provider/model` that a request may name")
    return Served(method=method, student=student, teacher=teacher, kind="text")


def is_open(player: str) -> bool:
    """Whether a request may name this model: an endpoint's or an embedded one, no file, folder or recorded run."""
    provider, _, model = player.partition("/")
    plain = len(player) <= 200 and player.isprintable() and not any(part in player for part in ("\\", "->", ".."))
    return plain and provider in PROVIDERS and bool(model) and not player.endswith(".gguf")


def name_of(settings: Settings) -> str | None:
    """Return the name under which the method and players of a run could be served; None where they could not."""
    method, own = METHODS.get(settings.method), settings.plans == "own"
    if settings.origin or settings.control or method is None or method.shows_examples:
        return None
    if method.plan is not None and settings.plans not in {"teacher", "own"}:
        return None
    players = [settings.teacher, settings.student] if method.asks_teacher and not own else [settings.student]
    return f"{settings.method}/{'->'.join(players)}" if all(map(is_open, players)) else None


def names_in(store: Store) -> list[tuple[str, int]]:
    """Return names that runs of a store could be served by, the newest first, with when each was made."""
    return list(dict(_named(store.runs())).items())[:LISTED_RUNS]


def _named(runs: list[Run]) -> Iterator[tuple[str, int]]:
    for run in reversed(runs):
        name = name_of(run.settings)
        if name is not None:
            yield name, int(run.created)


def make_served(name: str, state: State) -> ServedModel:
    """Return a served model with its players loaded. Raises `Refusal` (404) for a name that leads nowhere."""
    served = find_served(name, state.config)
    try:
        served.check()
        return _cascade(name, served, state) if served.planner else _plain(served, state)
    except UsageError as error:
        raise no_model(name, f"{error.what}; {error.hint}") from error


def _plain(served: Served, state: State) -> ServedModel:
    task = make_task(served, state, served.teacher)
    return ServedModel(task, settings_of(task), served.kind)


def _cascade(name: str, served: Served, state: State) -> ServedModel:
    cheap, dear = (make_task(served, state, player) for player in (served.planner, served.teacher))
    voting = msgspec.structs.replace(cheap.sampling, temperature=served.temperature or VOTING)
    cascade = Cascade(
        cheap=msgspec.structs.replace(cheap, sampling=voting, samples=served.votes),
        dear=msgspec.structs.replace(dear, sampling=msgspec.structs.replace(dear.sampling, temperature=0.0)),
        threshold=served.threshold,
    )
    cascade.check()
    plans = f"cascade:{served.planner}:{served.votes}:{served.threshold:g}"
    settings = msgspec.structs.replace(settings_of(cascade.dear), plans=plans)
    model = ServedModel(cascade.dear, settings, served.kind, cascade)
    if served.calibrated_on:
        model.calibrated = Calibrated(name, served.handed_on, served.calibrated_on, served.votes, voting)
    return model


def make_task(served: Served, state: State, teacher: str) -> Task:
    """Return the task of a served method; without a teacher the student writes its own plans."""
    method, student = load_method(served.method), _load(served.student, state)
    planner = _load(teacher, state) if teacher and method.asks_teacher else None
    return Task(
        problems=Problems(DATASET, lambda: iter([(None, ANY)])),
        method=method,
        student=student,
        teacher=planner,
        plans=Plans(source="teacher" if planner else "own"),
        grader=load_grader(),
        prompts=prompt_set_for(method, served.prompts, student, planner),
        sampling=msgspec.structs.replace(served.sampling(), stop=served.stops) if served.stops else served.sampling(),
        teacher_sampling=served.teacher_sampling(),
    )


def _load(name: str, state: State) -> Model:
    if name not in state.models and len(state.models) >= MOST_MODELS:
        raise UsageError(
            f"this server already holds {MOST_MODELS} models", "ask for one of those, or restart the server"
        )
    return state.load(name)


def settings_of(task: Task) -> Settings:
    """Return the settings of the run that keeps what a served task answers; its problems come as they come."""
    return msgspec.structs.replace(task.settings(), problems=fingerprint(DATASET), count=0)
