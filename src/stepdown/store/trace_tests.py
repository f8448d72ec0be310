"""Tests of single traces as SQL: words in plan and solution, the answer found, tokens, steps, leaked, cut, edited."""

import re
from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.store.connection import StoreConnection
from stepdown.store.records import decode_plan, decode_problem, tokens_of

_SPAN = re.compile(r"(\d{1,12})?\s*(-)?\s*(\d{1,12})?")
_MOST = 1 << 62
EDITED = "json_extract(traces.plan, '$.edited_from') is not null"
IS_EDITED = f"""({EDITED} or exists (select 1 from edits where edits.run = traces.run
                and edits.problem = problems.id))"""
_FOUND = """exists (select 1 from grades where grades.run = traces.run and grades.ordinal = traces.ordinal
            and grades.sample = traces.sample and grader = :grader and lowered(trim(found)) = :answer)"""
_TESTS = {
    "text": """(instr(lowered(coalesce(solution, '')), :text)
               or instr(lowered(coalesce(json_extract(traces.plan, '$.text'), '')), :text))""",
    "answer": _FOUND,
    "tokens": "tokens_of(usage) between :least_tokens and :most_tokens",
    "steps": "steps_of(traces.plan) between :least_steps and :most_steps",
    "leaked": "holds_answer(body, traces.plan) = :leaked",
    "cut": "truncated = :cut",
    "edited": f"{IS_EDITED} = :edited",
}
_YES_OR_NO = {"yes": 1, "no": 0}


class TraceTests(msgspec.Struct, frozen=True, kw_only=True):
    """What a trace must be like; empty is any, and all must hold. Case counts nowhere.

    `text` stands in its plan or solution, `answer` is what was found. `tokens`, of all its calls, and `steps`, of its
    plan, are spans such as `100-500`, `100-`, `-500` or `100`. `leaked` (the plan holds the answer), `cut` (at a limit)
    and `edited` (by a person) are `yes` or `no`.
    """

    text: str = ""
    answer: str = ""
    tokens: str = ""
    steps: str = ""
    leaked: str = ""
    cut: str = ""
    edited: str = ""

    @property
    def tests(self) -> list[str]:
        """The names of those that are asked for."""
        return [name for name in _TESTS if getattr(self, name)]

    @property
    def condition(self) -> str:
        """What SQL asks of a row of `traces` beside its row of `problems`."""
        return " and ".join(_TESTS[name] for name in self.tests) or "true"

    def check(self) -> None:
        """Raise `UsageError` for a span or a word that is none."""
        _ = self.values

    @property
    def values(self) -> dict[str, object]:
        """The values that SQL asks with. Raises `UsageError` for a span or a word that is none."""
        tokens, steps = (span_of(getattr(self, name), name) for name in ("tokens", "steps"))
        flags = {name: _flag(getattr(self, name), name) for name in ("leaked", "cut", "edited")}
        spans = {"least_tokens": tokens[0], "most_tokens": tokens[1], "least_steps": steps[0], "most_steps": steps[1]}
        return {"text": self.text.lower(), "answer": self.answer.strip().lower(), **spans, **flags}


def span_of(text: str, what: str) -> tuple[int, int]:
    """Return the least and the most of a span such as `100-500`, `100-`, `-500` or `100`. Raises `UsageError`."""
    found = _SPAN.fullmatch(text.strip())
    if not found or (text.strip() and not found[1] and not found[3]):
        raise UsageError(
            f"`{text[:40]}` is no number of {what}", "write `100-500`, `100-`, `-500` or `100`", option=f"--{what}"
        )
    least = int(found[1] or 0)
    return least, int(found[3]) if found[3] else _MOST if found[2] or not found[1] else least


def _flag(word: str, what: str) -> int:
    if word and word not in _YES_OR_NO:
        raise UsageError(f"`{word[:40]}` says nothing of `{what}`", "write `yes` or `no`", option=f"--{what}")
    return _YES_OR_NO.get(word, 0)


def teach(db: StoreConnection) -> None:
    """Let a connection's SQL know what the tests call."""
    db.create_function("lowered", 1, str.lower, deterministic=True)
    db.create_function("tokens_of", 1, tokens_of, deterministic=True)
    db.create_function("steps_of", 1, _steps_of, deterministic=True)
    db.create_function("holds_answer", 2, _holds_answer, deterministic=True)


def _steps_of(plan: Any) -> int | None:
    return None if plan is None else len(decode_plan(plan).steps)


def _holds_answer(problem: Any, plan: Any) -> int:
    # Loaded where it is asked for: most commands that open a store read no answers.
    from stepdown.answers import leak

    return int(plan is not None and leak(decode_problem(problem), decode_plan(plan)).gold)
