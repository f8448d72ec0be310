"""Chat data as tuning tools have it: `messages`, ShareGPT's `conversations`, and prompts with completions."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from stepdown.answers import explicit, final_line
from stepdown.errors import UsageError
from stepdown.exchange.grouping import external_group_by
from stepdown.exchange.json_streams import Progress, read_objects
from stepdown.exchange.question_parsing import gold_in, inline, label_of, read_problem
from stepdown.exchange.source import ChainSource
from stepdown.graders import load_grader
from stepdown.problems import plain_number
from stepdown.runner import plain
from stepdown.tabular import Row, clip_value
from stepdown.types import Chain, Grade, Grader, Problem
from stepdown.workers import SerialPool, WorkerPool

ASKING, ANSWERING = ("user", "human"), ("assistant", "gpt", "model")
# Problems graded in one go.
PAGE = 64
_TURNS = "in {} rows the last question and answer stand in a longer conversation, which is left out"
_NO_LABEL = "{} chains end in no answer line: they have no label"


def fits(fields: Mapping[str, Any]) -> bool:
    """Tell whether a file's first object is a conversation, or a prompt with its completion."""
    return "messages" in fields or "conversations" in fields or {"prompt", "completion"} <= fields.keys()


def read_conversations(
    source: ChainSource, *, progress: Progress | None = None, workers: WorkerPool | None = None
) -> Iterator[list[Chain]]:
    """Stream chains, one problem at a time: the last answer of each row is a chain for the question before it.

    Rows with the same question are one problem. Its gold is the column `answer`, and then the default grader grades
    its chains; without one they are ungraded, and their label is read from their answer line. Raises `BadRow` for a
    row without a question or an answer, `UsageError` for a question with two golds.
    """
    chains = (_chain(row, source) for row in read_objects(source.path, progress=progress))
    groups = enumerate(external_group_by(chains, source.scratch))
    settled = (_settled(group, f"{source.dataset}/{index}") for index, group in groups)
    pages = iter(lambda: list(islice(settled, PAGE)), [])
    for page in (workers or SerialPool()).map(grade_page, pages, name=_first_problem):
        for group in page:
            source.seen[_NO_LABEL] += sum(chain.grade.found is None for chain in group)
            yield group


def _chain(row: Row, source: ChainSource) -> tuple[str, Chain]:
    question, text, longer = _exchange(row)
    source.seen[_TURNS] += longer
    teacher = row.optional("teacher") or row.optional("model") or source.teacher
    return question, Chain(read_problem(row, question, gold_in(row)), text, teacher)


def _exchange(row: Row) -> tuple[str, str, bool]:
    """Return the last question, the last answer, and whether other questions or answers came before."""
    column = next((name for name in ("messages", "conversations") if name in row.fields), "completion")
    turns = _turns(row, column) if column != "completion" else _completed(row)
    answers = [at for at, (role, _) in enumerate(turns) if role in ANSWERING]
    questions = [at for at, (role, _) in enumerate(turns) if role in ASKING and answers and at < answers[-1]]
    if not questions:
        roles = ", ".join(role for role, _ in turns) or "none"
        raise row.bad(column, f"a question by `user` and an answer by `assistant`, found turns by: {roles}")
    question, text = turns[questions[-1]][1].strip(), turns[answers[-1]][1]
    if not question or not text.strip():
        raise row.bad(column, "a question and an answer that are not empty")
    return question, text, len(answers) > 1 or len(questions) > 1


def _completed(row: Row) -> list[tuple[str, str]]:
    prompt, completion = row.value("prompt"), row.value("completion")
    turns = [(ASKING[0], prompt)] if isinstance(prompt, str) else _turns(row, "prompt")
    return turns + ([(ANSWERING[0], completion)] if isinstance(completion, str) else _turns(row, "completion"))


def _turns(row: Row, column: str) -> list[tuple[str, str]]:
    value = row.value(column)
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        raise row.bad(column, f"a list of turns, found {clip_value(value)}")
    return [(_speaker(row, column, turn), _content_of(row, column, turn)) for turn in value]


def _speaker(row: Row, column: str, turn: Mapping[str, Any]) -> str:
    role = turn.get("role", turn.get("from"))
    if not isinstance(role, str):
        raise row.bad(column, f"turns with `role` or `from`, found {clip_value(turn)}")
    return role


def _content_of(row: Row, column: str, turn: Mapping[str, Any]) -> str:
    value = turn.get("content", turn.get("value"))
    if isinstance(value, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in value):
        value = "".join(str(part.get("text", "")) for part in value)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise row.bad(column, f"turns of text, found {clip_value(value)}")
    return value


def _settled(group: list[Chain], identity: str) -> list[Chain]:
    """Return the chains of one question with one problem, which has an id, a kind, and the gold where one is known."""
    golds = {chain.problem.answer: chain.problem for chain in group if chain.problem.answer}
    if len(golds) > 1:
        one, other = sorted(golds)[:2]
        what = f"the question `{group[0].problem.question[:80]}` has two golds: `{one[:40]}` and `{other[:40]}`"
        raise UsageError(what, "mend the column `answer`: one question has one gold")
    problem = next(iter(golds.values()), None) or _supposed(group)
    problem = msgspec.structs.replace(problem, id=identity)
    return [msgspec.structs.replace(chain, problem=problem, sample=at) for at, chain in enumerate(group)]


def _supposed(group: list[Chain]) -> Problem:
    """Return the problem of chains without a gold, of the kind that all their answer lines are of."""
    problem = group[0].problem
    lines = [line for chain in group if (line := _last(chain.text)) is not None]
    if problem.kind == "choice" or not lines:
        return problem
    choices = inline(problem.question, lines[0])
    if choices and all(inline(problem.question, one) for one in lines):
        return msgspec.structs.replace(problem, question=choices[0], choices=choices[1], kind="choice")
    if all(plain_number(one) is not None for one in lines):
        return msgspec.structs.replace(problem, kind="number")
    return problem


def _last(text: str) -> str | None:
    index = final_line(text)
    return text[slice(*index)].strip() or None if index else None


def grade_page(groups: list[list[Chain]]) -> list[list[Chain]]:
    """Return the chains of some problems with the default grader's verdicts, or ungraded where no gold is known."""
    return plain(_graded(groups, load_grader()))


def _first_problem(groups: list[list[Chain]]) -> str:
    return groups[0][0].problem.id


async def _graded(groups: Iterable[list[Chain]], grader: Grader) -> list[list[Chain]]:
    return [[msgspec.structs.replace(chain, grade=await _grade(chain, grader)) for chain in group] for group in groups]


async def _grade(chain: Chain, grader: Grader) -> Grade:
    problem = chain.problem
    if problem.answer:
        return await grader(problem, chain.text)
    return Grade("ungraded", _label(chain), "the file names no gold")


def _label(chain: Chain) -> str | None:
    """Return what a chain's answer line says; the reader is asked where that is more than a letter or a number."""
    problem, text = chain.problem, _last(chain.text)
    if problem.kind == "text" or text is None:
        return text
    plainly = label_of(text, problem.choices) if problem.kind == "choice" else plain_number(text)
    return plainly or explicit(chain.text, problem.kind, problem.choices, question=problem.question).found
