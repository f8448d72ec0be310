"""The prompt sets there are, with their sources, and those in files."""

from pathlib import Path
from typing import Any

import msgspec

from stepdown.errors import UnknownName, UsageError, closest
from stepdown.methods import METHODS
from stepdown.plugins import Found, find, names
from stepdown.prompts.prompt_set import FLAT, PromptSet
from stepdown.toml_files import read_toml


def _words(solve: str | None = None, /, **flat: str) -> dict[str, dict[str, str]]:
    """Return words by method and prompt from their short names; `solve` is said for every method without a plan."""
    if solve is not None:
        flat = {"direct": solve, "chain_of_thought": solve, "plan_and_solve": solve, **flat}
    words: dict[str, dict[str, str]] = {}
    for field, text in flat.items():
        method, name = FLAT[field]
        words.setdefault(method, {})[name] = text
    return words


# Each method's own words. They were tuned on the dev split of wordsums, alike for all methods of the paper;
# docs/prompts.md shows how.
DEFAULT = PromptSet(
    name="default",
    source="ours: the methods of the paper in our words, one answer line asked of every method alike",
    system="You are a careful problem solver. You reason in plain sentences and never write program code.",
    teacher_system="You are a teacher. You tell a student how to solve a problem and never solve it yourself.",
    endings={
        "number": 'When all is worked out, write a last line: "Answer:" and the number.',
        "expression": 'When all is worked out, write a last line: "Answer:" and the expression in LaTeX.',
        "choice": 'When all is worked out, write a last line: "Answer:" and the letter of the right choice.',
        "text": 'When all is worked out, write a last line: "Answer:" and the answer.',
    },
)

# The three sets below are quoted as settings of the paper's experiments; PAPERS part A names the sources.
_BASELINES = {
    "direct": "{question}",
    "chain_of_thought": "{question} Think step-by-step.",
    "plan_and_solve": (
        "{question} Let's first understand the problem and devise a plan to solve the problem."
        " Then, let's carry out the plan and solve the problem step-by-step."
    ),
}

PAPER = PromptSet(
    name="paper",
    source="McDonald & Emami, ACL SRW 2024, as printed",
    words=_words(
        **_BASELINES,
        delegate=(
            "Create very short step-by-step prompts for the following problem: {question}."
            " Format as a list. Do not solve the problem."
        ),
        follow=(
            "We are given the following problem: {question}. Use the following steps to solve the problem: {steps}."
        ),
    ),
)

CODE = PromptSet(
    name="code",
    source="the paper's released code; its literal `$` before the baselines' questions is left out",
    words=_words(
        **_BASELINES,
        delegate=(
            "Create very short step-by-step prompts for this problem:{question}Format as a list."
            " Do not solve the problem."
        ),
        follow=(
            "We are given the following problem to solve:\n{question}\n"
            "Use the following steps to solve the problem.\n{steps}"
        ),
    ),
)

TRACES = PromptSet(
    name="traces",
    source="the paper's released traces, all 23 files",
    words=_words(
        **_BASELINES,
        delegate=(
            "Create step-by-step prompts for this problem:{question}"
            "Format as a list of simple instructions to guide a student. Do not solve the problem."
        ),
        follow=(
            "First, carefully review this problem:\n{question}\n"
            "Then, solve the problem using the provided steps as a plan, thinking step-by-step.\n{steps}"
        ),
    ),
)

# What a distilled student is trained on and asked: its way of answering is in its weights.
STUDENT = PromptSet(
    name="student",
    source="ours: the question alone, and `Plan:` where a plan is wanted or given",
    words=_words("{question}", delegate="{question}\n\nPlan:", follow="{question}\n\nPlan:\n{steps}"),
)

SCOTD = PromptSet(
    name="scotd",
    source="Li et al., ACL 2023, the released code's form of a question",
    words=_words("Q: {question}\nA:", delegate="Q: {question}\nPlan:", follow="Q: {question}\nPlan:\n{steps}\nA:"),
)

PROMPT_SETS = {prompts.name: prompts for prompts in (DEFAULT, PAPER, CODE, TRACES, STUDENT, SCOTD)}


_NEEDED = 'it needs `name` and `source`, and words such as `[words.direct]` with `solve = "{question}"`'


def load_prompts(name: str, *, code: bool = False) -> PromptSet:
    """Return a prompt set by name, or from a `.toml` or `.json` file with PromptSet's fields.

    With `code` also a plugin's or one of a file's (`my.py:words`), which runs that code: never for a name from
    elsewhere. Raises `UnknownName` and, for what is not a prompt set, `UsageError`.
    """
    if name in PROMPT_SETS:
        return PROMPT_SETS[name]
    own = find("prompts", name) if code else None
    if own is not None:
        return as_prompts(own)
    path = Path(name)
    if path.suffix not in {".toml", ".json"}:
        raise UnknownName("prompt set", name, [*PROMPT_SETS, *(names("prompts") if code else ())])
    return _read(path)


def _read(path: Path) -> PromptSet:
    fields = read_toml(path, dict[str, Any], "the prompt set", _NEEDED)
    try:
        flat = msgspec.convert({name: fields.pop(name) for name in FLAT if name in fields}, dict[str, str])
        prompt_set = _with_words(msgspec.convert(fields, PromptSet), _words(**flat))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"cannot read the prompt set `{path}`: {error}", _NEEDED) from error
    _check_names(prompt_set, path)
    return prompt_set


def as_prompts(found: Found) -> PromptSet:
    """Return a user's object as a prompt set."""
    if not isinstance(found.value, PromptSet):
        raise found.refused("a `stepdown.PromptSet`")
    return found.value


def _with_words(prompts: PromptSet, words: dict[str, dict[str, str]]) -> PromptSet:
    """Return a set with words that a file has under their short names (`direct`, `follow`)."""
    names = {**words, **prompts.words}
    merged = {name: {**words.get(name, {}), **prompts.words.get(name, {})} for name in names}
    return msgspec.structs.replace(prompts, words=merged)


def _check_names(prompts: PromptSet, path: Path) -> None:
    """Refuse words that no prompt of ours would be said in; a method of somebody's own may have any."""
    for name, words in prompts.words.items():
        if name not in METHODS and (near := closest(name, METHODS)):
            raise UsageError(f"`{path}` has words for a method `{name}`", f"did you mean `{near[0]}`?")
        unknown = [one for one in words if name in METHODS and one not in METHODS[name].prompts]
        if unknown:
            known = ", ".join(f"`{one}`" for one in METHODS[name].prompts)
            raise UsageError(f"`{path}` has words for a prompt `{unknown[0]}` of `{name}`", f"its prompts are {known}")
