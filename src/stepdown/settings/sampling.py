"""How text is drawn: by the student and the teacher of a run, by the teacher of a corpus, by students under test."""

from typing import Annotated, ClassVar

import msgspec

from stepdown.errors import UsageError
from stepdown.prompts import MOST as MOST_STOPS
from stepdown.settings.options import Count, Seed, Share, Temperature, option, options_of
from stepdown.types import Effort, Sampling

Stops = tuple[str, ...]


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """How one model draws text, by the names that `Sampling` has."""

    group: ClassVar[str] = "Sampling"
    temperature: Annotated[
        Temperature,
        option("The student's temperature; 0 is greedy.", label="Student's temperature", hint="0 is greedy"),
    ] = 0.0
    top_p: Annotated[Share, option("Draw from the likeliest tokens that make up this share.", phrase="top_p {:g}")] = (
        1.0
    )
    max_tokens: Annotated[
        Count,
        option("The longest solution, in tokens.", label="Longest solution, in tokens", phrase="at most {:,} tokens"),
    ] = 1024

    reasoning_effort: Annotated[
        Effort | None,
        option(
            "How long the model that solves may think, where it is a reasoning model whose endpoint takes this.",
            label="Student's reasoning effort",
            hint="for reasoning models",
        ),
    ] = None

    def sampling(self) -> Sampling:
        """Return these as the model is given them, without stop sequences, which depend on the prompt."""
        return Sampling(**{name: getattr(self, name) for name in DRAWN if name in self.__struct_fields__})

    def over(self, default: Sampling) -> Sampling:
        """Return a default sampling, changed where these settings differ from it."""
        own = {name: getattr(self, name) for name in DRAWN if name in self.__struct_fields__}
        return msgspec.structs.replace(default, **{k: v for k, v in own.items() if v != getattr(default, k)})


class Reproducible(Drawing, frozen=True, kw_only=True):
    """How text is drawn where a seed and stop sequences may be chosen."""

    seed: Annotated[Seed | None, option("The seed of draws, where the endpoint takes one.")] = None
    stop: Annotated[
        Stops | None,
        option(
            'End a solution before this text (`\\n` is a new line), up to four; `--stop ""` for none. Where not given, '
            "models that only complete text and those shown demonstrations end before they begin another problem."
        ),
    ] = None

    @property
    def stops(self) -> Stops | None:
        """The stop sequences, None for the usual ones. Raises `UsageError` for more than an endpoint takes."""
        if self.stop is None:
            return None
        stops = tuple(one.replace("\\n", "\n").replace("\\t", "\t") for one in self.stop if one)
        if len(stops) > MOST_STOPS:
            raise UsageError(f"`--stop` is given `{len(stops)}` times", f"give it up to {MOST_STOPS} times")
        return stops


class RunSampling(Reproducible, frozen=True, kw_only=True):
    """How the solutions and plans of a run are drawn."""

    teacher_temperature: Annotated[Temperature, option("The teacher's temperature.", label="Teacher's temperature")] = (
        0.0
    )
    teacher_max_tokens: Annotated[Count, option("The longest plan, in tokens.", label="Longest plan, in tokens")] = 1024

    teacher_reasoning_effort: Annotated[
        Effort | None,
        option(
            "How long the teacher may think, where it is a reasoning model whose endpoint takes this.",
            label="Teacher's reasoning effort",
            hint="for reasoning models",
        ),
    ] = None

    def teacher_sampling(self) -> Sampling:
        """Return how plans are drawn; a greedy plan is the same call under any seed and `--top-p`."""
        own = {name.removeprefix(TEACHER): getattr(self, name) for name in self.__struct_fields__ if name in PLANNING}
        if self.teacher_temperature == 0:
            # Left out, not given as 0: the identity of a run tells the two apart.
            return Sampling(**{name: value for name, value in own.items() if name != "temperature"})
        return Sampling(**{"top_p": self.top_p, "seed": self.seed} | own)


class ChainSampling(Reproducible, frozen=True, kw_only=True):
    """How the chains of a corpus are drawn; the defaults are SCoTD's."""

    temperature: Annotated[Temperature, option("The teacher's temperature; 0 is greedy.")] = 1.0
    max_tokens: Annotated[Count, option("The longest chain, in tokens.")] = 512
    without_logprobs: Annotated[
        bool,
        option(
            "Do not ask an endpoint for log-probabilities, where it refuses them; `per-problem=K:likely` needs them.",
            show_default=False,
        ),
    ] = False


class StudySampling(Drawing, frozen=True, kw_only=True):
    """How the test problems of a study are solved."""

    samples: Annotated[
        Count,
        option(
            "Solutions per test problem; the majority decides (self-consistency; needs --temperature, such as 0.7)."
        ),
    ] = 1
    temperature: Annotated[Temperature, option("The students' temperature; 0 is greedy.")] = 0.0
    max_tokens: Annotated[Count, option("The longest solution, in tokens.")] = 256


TEACHER = "teacher_"
# The fields of a `Sampling` that are settings by the same name, and the settings of a teacher that writes plans.
DRAWN = tuple(name for name in Sampling.__struct_fields__ if name not in {"stop", "form"})
PLANNING = tuple(name for name in RunSampling.__struct_fields__ if name.startswith(TEACHER))
_ALWAYS = ("temperature", "top_p", "max_tokens")


def chosen(sampling: Sampling) -> RunSampling:
    """Return the settings that draw a student's text so, its stop sequences left as they usually are."""
    return RunSampling(**{name: getattr(sampling, name) for name in DRAWN})


def in_words(sampling: Sampling) -> str:
    """Return how a model draws its text, such as `temperature 0.7, top_p 1, at most 512 tokens, seed 3`."""
    options, usual = options_of(RunSampling), Sampling()
    settings = [(options[name], getattr(sampling, name)) for name in (*DRAWN, "stop")
            if name in _ALWAYS or getattr(sampling, name) != getattr(usual, name)]  # fmt: skip
    words = [one.words(value) for one, value in settings]
    return ", ".join([*words, *(sampling.form.words if sampling.form else ())])
