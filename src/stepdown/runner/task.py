"""What one run is to do, and the settings that make it that run."""

from functools import cached_property

import msgspec

from stepdown.custom import check_model
from stepdown.errors import UsageError
from stepdown.graders import named
from stepdown.methods import code_of_method
from stepdown.problems import Problems, ProblemSetSummary
from stepdown.prompts import DEFAULT, PromptSet
from stepdown.runner.controls import marked
from stepdown.runner.held_plans import Review
from stepdown.runner.plan_sources import Plans
from stepdown.shards import Part, Shard
from stepdown.types import Grader, Method, Model, Problem, Role, Sampling, Settings
from stepdown.usercode import code_of, source_of

# More plans of one problem say little of any of them.
MOST_PLANS = 64


class Task(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Problems, a method, and who plays which role. `samples` solutions are drawn per problem, which take turns
    among `plan_samples` plans of it.

    `role` is what the solving model's calls count as: a teacher's, where its solutions are to become a corpus.
    `review` is shown each plan before the student is, and returns the one to follow. Of a `shard` only its problems
    are solved; its run is named by all of them, as the run is that the shards make together. A `part` of these is what
    one of several processes solves.
    """

    problems: Problems
    method: Method
    student: Model
    grader: Grader
    teacher: Model | None = None
    plans: Plans = Plans()
    prompts: PromptSet = DEFAULT
    sampling: Sampling = Sampling()
    teacher_sampling: Sampling = Sampling()
    samples: int = 1
    plan_samples: int = 1
    role: Role = "student"
    review: Review | None = None
    shard: Shard | None = None
    part: Part | None = None

    def __post_init__(self) -> None:
        for model in (self.student, self.teacher):
            if model is not None:
                check_model(model)
        msgspec.structs.force_setattr(self, "grader", named(self.grader))

    @property
    def planner(self) -> Model | None:
        """The model that writes plans in this task, or is asked as a teacher while solving; None where none is."""
        if self.method.plan is None:
            return self.teacher if self.method.asks_teacher else None
        if self.plans.source not in {"teacher", "own"}:
            return None
        return self.teacher if self.plans.source == "teacher" else self.student

    def takes(self, problem: Problem) -> bool:
        """Whether a problem is to be solved: every one, or those of the shard."""
        return self.shard is None or self.shard.holds(problem)

    def check(self) -> None:
        """Refuse a task that cannot be right, before any call."""
        if self.samples < 1:
            raise UsageError(f"`{self.samples}` samples per problem", "draw at least 1")
        if self.samples > 1 and self.sampling.temperature == 0:
            raise UsageError(
                f"`{self.samples}` greedy samples would all be the same",
                "give --temperature, such as 0.7",
                option="--temperature",
            )
        self._check_plan_samples()
        if self.method.plan is None and self.method.asks_teacher and self.teacher is None:
            raise UsageError(
                f"`{self.method.name}` asks a teacher, and there is none", "name a teacher", option="--teacher"
            )
        if self.method.plan and self.plans.source == "teacher" and self.teacher is None:
            raise UsageError(
                f"`{self.method.name}` needs plans, and there is no teacher",
                "name a teacher, or use --plans own, --plans gold, or --plans RUN",
                option="--teacher",
            )

        _check_effort(self.student, self.sampling, "--reasoning-effort")
        if self.planner is not None:
            _check_effort(self.planner, self.teacher_sampling, "--teacher-reasoning-effort")

    def _check_plan_samples(self) -> None:
        """Refuse several plans where they would all be the same, or not share the solutions evenly."""
        plans, option = self.plan_samples, "--plan-samples"
        if plans < 1:
            raise UsageError(f"`{plans}` plans per problem", "draw at least 1", option=option)
        if plans == 1 or self.method.plan is None:
            return
        if plans > MOST_PLANS:
            raise UsageError(f"`{plans}` plans per problem", f"draw {MOST_PLANS} at most", option=option)
        if self.planner is None:
            raise UsageError(
                f"plans from `{self.plans.source}` are there once, and `{plans}` per problem are asked for",
                "leave it out, or have a model write them: --plans teacher or --plans own",
                option=option,
            )
        if self.review is not None:
            raise UsageError("plans are reviewed one a problem", "leave out --review or --plan-samples", option=option)
        if self.teacher_sampling.temperature == 0:
            raise UsageError(
                f"`{plans}` greedy plans would all be the same",
                "give --teacher-temperature, such as 0.7",
                option="--teacher-temperature",
            )
        if self.samples % plans:
            raise UsageError(
                f"`{self.samples}` solutions cannot be shared evenly among `{plans}` plans",
                f"give --samples {-(-self.samples // plans) * plans}, say",
                option="--samples",
            )

    def _checked(self) -> ProblemSetSummary:
        try:
            return self.problems.known or self.problems.check()
        except UnicodeEncodeError as error:
            raise UsageError(
                f"a problem of `{self.problems.dataset}` holds broken Unicode: {error.reason}",
                "mend its text: half of a surrogate pair is no character",
            ) from None

    def settings(self) -> Settings:
        """Return the run's settings, for which the first call reads the problems once and refuses what is wrong."""
        return self._settings

    @cached_property
    def _settings(self) -> Settings:
        self.check()
        checked = self._checked()
        planned = self.method.plan is not None
        if planned and self.plans.control == "shuffled" and checked.count == 1:
            raise UsageError("the control `shuffled` gives one problem its own plan", "take 2 problems or more")
        return Settings(
            dataset=self.problems.dataset,
            problems=checked.fingerprint,
            count=checked.count,
            method=self.method.name,
            student=self.student.name,
            teacher=self.planner.name if self.planner else "",
            sources=tuple(source_of(model) for model in (self.student, self.planner) if model),
            prompt_set=self.prompts.name,
            prompts=self.prompts.fingerprint_for(self.method),
            plans=self.plans.name + "+reviewed" * (self.review is not None) if planned else "",
            control=marked(self.plans.control) if planned else "",
            sampling=self.sampling,
            teacher_sampling=self.teacher_sampling if self.planner else Sampling(),
            samples=self.samples,
            plan_samples=self.plan_samples if planned else 1,
            code=self._code(),
        )

    def _code(self) -> str:
        """Return what stands for code of a user's own: the method's, and that of a review which no person makes."""
        codes = [code_of_method(self.method), code_of(self.review) if self.review else ""]
        return "+".join(filter(None, codes))


def _check_effort(model: Model, sampling: Sampling, option: str) -> None:
    """Refuse an effort to reason with where the model has no setting for it: it would be another run by name only."""
    can = model.capabilities
    if sampling.reasoning_effort and (can.completes or (can.local and not can.recorded)):
        raise UsageError(
            f"`{model.name}` has no setting for reasoning effort",
            f"leave `{option}` out, or name a model behind an endpoint that reasons",
            option=option,
        )
