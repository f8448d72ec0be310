"""The chains that Symbolic Chain-of-Thought Distillation released: `csqa_30x.json`, `quarel_30x.json` and the like.

The form is that of the released code (Li et al., ACL 2023; liunian-harold-li/scotd, `SimpleDataPoolV3`): one array of
objects with `prompt`, `response`, `score`, `index`, `rationale` and, where the teacher gave them, `token_probs` and
`tokens`. The prompt ends in `Q: ...` and `A:`; `score` is 1 where the label equals the gold, which is not in the file.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.exchange.grouping import external_group_by
from stepdown.exchange.json_streams import Progress, read_objects
from stepdown.exchange.question_parsing import inline, label_of
from stepdown.exchange.source import ChainSource
from stepdown.tabular import Row, clip_value
from stepdown.types import Chain, Grade, Problem

GRADER = "scotd"
# The released code's marks: of a question, of an answer, of a label, and of an example's end.
_Q, _A, _LABEL, _END = "Q: ", "\nA:", " So the answer is: ", "\n\n"
_NO_GOLD = "{} problems have no chain that scored 1, so their gold answer is not known and their chains are ungraded"
_NO_LABEL = "{} chains end in no label that is one of the choices"


class ScotdSample(msgspec.Struct, frozen=True):
    """One object of the file; `index` is the question's place in its data set, `token_probs` are natural logarithms."""

    prompt: str
    response: str
    score: float
    index: int
    rationale: str = ""
    token_probs: tuple[float | None, ...] = ()
    tokens: tuple[str, ...] = ()


def fits(fields: Mapping[str, Any]) -> bool:
    """Tell whether a file's first object is a chain as the released code writes them."""
    return {"prompt", "response", "score", "index"} <= fields.keys()


def read_scotd(source: ChainSource, *, progress: Progress | None = None) -> Iterator[list[Chain]]:
    """Stream the chains of a released file, one problem at a time.

    The gold is the label of the chains that scored 1; without one the problem's chains are ungraded. The blank line
    that the released code puts after each reply is taken off again. Raises `BadRow` for an object of another form,
    `UsageError` for a problem whose scores name two golds.
    """
    chains = (_chain(row, source) for row in read_objects(source.path, progress=progress))
    for group in external_group_by(chains, source.scratch):
        gold = _gold(group)
        source.seen[_NO_GOLD] += not gold
        problem = msgspec.structs.replace(group[0].problem, answer=gold)
        yield [_settled(chain, problem, index) for index, chain in enumerate(group)]


def _gold(group: list[Chain]) -> str:
    golds = sorted({chain.grade.found or "" for chain in group if chain.grade.verdict == "right"})
    if len(golds) > 1:
        what = f"the chains of `{group[0].problem.id}` that scored 1 end in `{golds[0][:40]}` and in `{golds[1][:40]}`"
        raise UsageError(what, "fetch the file again: one question has one gold")
    return golds[0] if golds else ""


def _chain(row: Row, source: ChainSource) -> tuple[str, Chain]:
    try:
        one = msgspec.convert(row.fields, ScotdSample)
    except msgspec.ValidationError as error:
        raise row.bad("the row", f"a chain as the released code of SCoTD writes it ({error})") from error
    problem = _problem(row, one, source.dataset)
    text = one.response.removesuffix(_END).rpartition(_LABEL)
    label = _label(problem, text[2]) if text[1] else None
    if one.score >= 0.5 and label is None:
        raise row.bad("response", f"a label behind `{_LABEL.strip()}`, since its score is 1")
    source.seen[_NO_LABEL] += label is None
    chain = Chain(
        problem,
        one.response.removesuffix(_END),
        source.teacher,
        grade=Grade("right" if one.score >= 0.5 else "wrong", label, grader=GRADER),
        logprob=_mean(one.token_probs),
        tokens=len(one.tokens) or None,
    )
    return f"{one.index}\n{problem.question}", chain


def _problem(row: Row, one: ScotdSample, dataset: str) -> Problem:
    question_text, mark, rest = one.prompt.rpartition(_A)
    question = question_text.rpartition(_END + _Q)[2].removeprefix(_Q).strip()
    if not mark or rest.strip() or not question:
        raise row.bad("prompt", f"a prompt that ends in `Q: ...` and `A:`, found {clip_value(one.prompt[-60:])}")
    parts = inline(question)
    stem, choices = parts or (question, ())
    return Problem(f"{dataset}/{one.index}", stem, "", choices, "choice" if parts else "text")


def _label(problem: Problem, text: str) -> str | None:
    return label_of(text, problem.choices) if problem.kind == "choice" else text.strip() or None


def _mean(logs: tuple[float | None, ...]) -> float | None:
    known = [one for one in logs if one is not None]
    return math.fsum(known) / len(known) if known and all(map(math.isfinite, known)) else None


def _settled(chain: Chain, problem: Problem, index: int) -> Chain:
    grade = chain.grade
    if not problem.answer:
        grade = Grade("ungraded", grade.found, "its score is 0, and the file does not name the gold", GRADER)
    return msgspec.structs.replace(chain, problem=problem, sample=index, grade=grade)
