"""A task file of lm-evaluation-harness as what a run is made of: problems, a method that asks as it asks, a grader."""

from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from msgspec import UNSET

from stepdown.errors import UnknownName, UsageError
from stepdown.exchange.lm_eval_documents import Documents
from stepdown.exchange.lm_eval_filters import HarnessGrader
from stepdown.exchange.lm_eval_tasks import FilesRead, read_task
from stepdown.plugins import Found
from stepdown.problems import Problems
from stepdown.prompts import MOST
from stepdown.tabular import Row
from stepdown.types import Ask, Method, Plan, Problem


class HarnessTask:
    """What a task file says, its data read when they are first needed.

    `problems` are its documents, `method` asks each as the harness would, `grader()` reads replies by one of its
    filters, `options` are those of a run that it decides.
    """

    def __init__(self, path: str | Path) -> None:
        """Raises `UsageError`, with the key's name, for what is beyond the subset that is read."""
        self.file = Path(path).expanduser()
        self.files = FilesRead()
        self.config = read_task(self.file, self.files)
        self.name = self.config.task
        self._documents = Documents(self.config, self.file, self.files)

    @property
    def problems(self) -> Problems:
        """The task's problems, by the ids that its imported samples have."""
        return Problems(self.name, self._places)

    @cached_property
    def method(self) -> Method:
        """A method that sends the harness's prompt as one turn of the user; of other problems it sends the question."""
        version = blake2b(self._documents.digest(), digest_size=4).hexdigest()
        return Method(self.name, self._solve, version=version, source="EleutherAI's lm-evaluation-harness")

    def prompt(self, problem: Problem) -> str:
        """Return what the harness would send for a problem; of a problem that is not the task's, the question."""
        place = self._documents.place_of(problem)
        return problem.question if place is None else self._documents.prompt(place)

    def golds(self, problem: Problem) -> tuple[str, ...]:
        """Return what is right as the task has it, of several targets each; of other problems their answer."""
        place = self._documents.place_of(problem)
        return (problem.answer,) if place is None else self._documents.golds(place)

    def document(self, problem: Problem) -> Mapping[str, Any]:
        """Return the row behind a problem; of a problem that is not the task's, nothing."""
        place = self._documents.place_of(problem)
        return {} if place is None else self._documents.document(place)

    def grader(self, name: str = "") -> HarnessGrader:
        """Return the grader of one of the task's filters, the first without a name. Raises `UnknownName`."""
        filters = {one.name: one for one in self.config.filter_list}
        if name and name not in filters:
            raise UnknownName(f"filter of `{self.file}`", name, filters)
        chosen = filters[name or next(iter(filters))]
        return HarnessGrader(chosen, self.config.metric_list[-1].matching, str(self.file), self)

    @property
    def options(self) -> dict[str, Any]:
        """The options of `stepdown run` that the task decides, by their names in a study file."""
        drawn, given = self.config.generation_kwargs, str(self.file)
        stops = [one.replace("\n", "\\n").replace("\t", "\\t") for one in self.config.stops[:MOST]]
        return {
            "dataset": given,
            "method": [given],
            "grader": given,
            "temperature": 0.0 if drawn.do_sample is False else drawn.temperature,
            "max_tokens": drawn.max_gen_toks,
            **({} if drawn.top_p is UNSET else {"top_p": drawn.top_p}),
            "stop": stops or [""],
            **({"samples": self.config.repeats} if self.config.repeats > 1 else {}),
        }

    def chosen(self, split: str | None = None) -> Problems:
        """Return the problems of a command. Raises `UsageError` for a split, which the task names itself."""
        if split:
            raise UsageError(f"`{self.file}` says itself which split is asked", "leave `--split` out, or edit a copy")
        return self.problems

    def _places(self) -> Iterator[tuple[Row | None, Problem]]:
        return ((None, problem) for problem in self._documents.problems())

    async def _solve(self, problem: Problem, plan: Plan | None, ask: Ask) -> str:
        # A text and no `Prompt`: no prompt set adds a system line or takes blanks off its ends.
        return await ask("student", self.prompt(problem))


def load_task(path: str | Path) -> HarnessTask:
    """Return the task in a file. Raises `UsageError` for one that is beyond what is read; nothing in it is run."""
    return HarnessTask(path)


def part_of_task(kind: str, path: str, name: str) -> Found | None:
    """Return what a task file has of a kind of plugin: `problems`, `methods` or `graders`; None for other kinds."""
    task = _loaded(Path(path).expanduser())
    if kind == "graders":
        return Found(task.name, task.grader(name), path)
    if name or kind not in ("problems", "methods"):
        return None
    return Found(task.name, task.chosen if kind == "problems" else task.method, path)


def _loaded(file: Path) -> HarnessTask:
    """Return a task, once for as long as its files stay: a command names it as data set, method and grader."""
    kept = _kept(file.absolute())
    if not kept or not kept[0].files.unchanged:
        kept[:] = [HarnessTask(file)]
    return kept[0]


@lru_cache(maxsize=8)
def _kept(place: Path) -> list[HarnessTask]:
    return []
