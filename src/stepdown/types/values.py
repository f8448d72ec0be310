"""What is asked and what came of it, as frozen values: problems, plans, calls, traces, grades, chains, settings."""

from importlib import import_module
from typing import Literal

import msgspec

from stepdown.identity import fingerprint
from stepdown.text import clipped, count, counted, fragment, html_facts, html_folded, html_list, html_text
from stepdown.types.drawing import Sampling, ToolCall

Kind = Literal["number", "expression", "choice", "text"]
Role = Literal["teacher", "student", "judge"]
# `unknown`: the endpoint gave a reason that nobody knows, so that the text may not be whole.
Finish = Literal["stop", "length", "filter", "unknown"]
Verdict = Literal["right", "wrong", "ungraded"]
# The names of choices, in order.
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# More than any model reads or writes in one request: ten million tokens in 2026.
MOST_TOKENS = 1 << 24


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One question with its gold answer.

    `id` is a path such as `gsm8k/test/12`. `answer` is the gold as the grader wants it: a number
    (`2125`), a LaTeX expression, a choice letter (`B`) or a text. `choices` are the texts of choices
    A, B, C... in order. `solution` is the benchmark's worked solution and `plan` its gold plan, where
    it has them.
    """

    id: str
    question: str
    answer: str
    choices: tuple[str, ...] = ()
    kind: Kind = "number"
    solution: str = ""
    plan: str = ""

    def __repr__(self) -> str:
        return f"Problem({clipped(self.id, 60)}: {clipped(self.question, 60)} gold {clipped(self.answer, 20)})"

    def _repr_html_(self) -> str:
        choices = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, self.choices, strict=False))
        parts = [html_text(self.question), html_text(choices) if choices else "", html_facts({"gold": self.answer})]
        parts += [html_folded("worked solution", self.solution), html_folded("gold plan", self.plan)]
        return fragment(self.id, *parts)


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """Short steps that say how to solve a problem without solving it.

    `author` is a model's name, `gold`, a person's name or a control's. `edited_from` is the text this
    plan was edited from, `why` the editor's reason.
    """

    text: str
    author: str
    edited_from: str | None = None
    why: str = ""

    @property
    def steps(self) -> tuple[str, ...]:
        """The plan's lines without bullets or numbers; blank lines are no steps."""
        return tuple(filter(None, map(_unbulleted, self.text.splitlines())))

    def edit(self, *steps: str, author: str = "person", why: str = "") -> "Plan":
        """Return a new plan of these steps, numbered, that remembers the text it came from."""
        text = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
        return Plan(text=text, author=author, edited_from=self.text, why=why)

    def __repr__(self) -> str:
        return f"Plan(by {clipped(self.author, 40)}, {len(self.steps)} steps: {clipped(' '.join(self.steps), 60)})"

    def _repr_html_(self) -> str:
        return fragment(f"plan by {self.author}", html_list(self.steps), *self._history())

    def _history(self) -> list[str]:
        """Say why it was edited, and from what."""
        why = html_facts({"why": self.why}) if self.why else ""
        return [why, html_folded("before the edit", self.edited_from or "")]


def _unbulleted(line: str) -> str:
    head, _, rest = line.strip().partition(" ")
    bullet = head in {"-", "*", "•", "–"} or (head[:-1].isdigit() and head[-1] in ".):")
    return rest.strip() if bullet else line.strip()


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    content: str


Messages = tuple[Message, ...]


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one reply; the endpoint had `cached` of the `input`, and `reasoning` of the `output` is hidden.

    `batched` is 1 where a batch brought the reply, at the price of batches; in a sum it counts such replies.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    batched: int = 0

    @property
    def possible(self) -> bool:
        """Whether one reply can have used this: counts that cannot be true are unknown, whoever wrote them down."""
        return 0 <= self.input <= MOST_TOKENS and 0 <= self.output <= MOST_TOKENS and 0 <= self.cached <= self.input


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model answered.

    `usage` is None where the endpoint did not say. `logprob` is the mean log-probability of the
    reply's tokens (nats), None where not given. `reasoning` holds a reasoning model's separate
    thoughts. `seconds` is wall time of the request, `cached` says that the store answered. `server` is the address of
    the server that answered where the model is a fleet, which the store keeps beside the reply. `tool_calls` are what
    it asks to be called in place of, or beside, a text.
    """

    text: str
    model: str
    usage: Usage | None = None
    finish: Finish = "stop"
    seconds: float = 0.0
    cached: bool = False
    logprob: float | None = None
    reasoning: str = ""
    server: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request and its reply, verbatim; `model` is the name that was asked, `sample` counts draws of one prompt."""

    role: Role
    model: str
    messages: Messages
    sampling: Sampling
    reply: Reply
    sample: int = 0


class Trace(msgspec.Struct, frozen=True, omit_defaults=True):
    """All calls of one attempt at a problem; everything that can be computed from them is a property."""

    problem: Problem
    method: str
    plan: Plan | None = None
    calls: tuple[Call, ...] = ()
    solution: str | None = None
    error: str | None = None
    sample: int = 0

    @property
    def truncated(self) -> bool:
        """Whether any reply is not known to be whole: it ran into its limit, a filter or an unknown end."""
        return any(call.reply.finish != "stop" for call in self.calls)

    @property
    def answer(self) -> Call | None:
        """The call whose reply is the solution, the last one where none is word for word; None without calls."""
        last = self.calls[-1] if self.calls else None
        return next((call for call in reversed(self.calls) if call.reply.text == self.solution), last)

    @property
    def cut(self) -> bool:
        """Whether the reply that holds the solution did not come to its own end: it has no vote."""
        return self.answer is not None and self.answer.reply.finish != "stop"

    @property
    def handed(self) -> Plan | None:
        """What a teacher handed to the student: the plan, else the replies it gave before the student's last call."""
        if self.plan is not None:
            return self.plan
        last = max((place for place, call in enumerate(self.calls) if call.role == "student"), default=0)
        given = [call for call in self.calls[:last] if call.role == "teacher"]
        return Plan("\n\n".join(call.reply.text for call in given), given[0].model) if given else None

    @property
    def ending(self) -> Finish:
        """How the first reply that is not known to be whole ended; `stop` where all are."""
        return next((call.reply.finish for call in self.calls if call.reply.finish != "stop"), "stop")

    def tokens(self, role: Role) -> Usage | None:
        """The usage summed over a role's calls; None if any of them is unknown."""
        usages = [call.reply.usage for call in self.calls if call.role == role]
        known = [usage for usage in usages if usage is not None and usage.possible]
        if len(known) < len(usages):
            return None
        return Usage(*(sum(getattr(usage, name) for usage in known) for name in Usage.__struct_fields__))

    def open(self) -> str:
        """Open the page of this trace in a browser and return its address, as `stepdown.open_page` does."""
        # What opens the pages is on the top floor; its public name leads there.
        return str(import_module("stepdown").open_page(self))

    def __repr__(self) -> str:
        came = self.error if self.error is not None else self.solution or ""
        return (
            f"Trace({clipped(self.problem.id, 60)} by {clipped(self.method, 40)}, {counted(len(self.calls), 'call')}:"
            f" {clipped(came, 60)})"
        )

    def _repr_html_(self) -> str:
        plan = [html_text("", f"plan by {self.plan.author}"), html_list(self.plan.steps)] if self.plan else []
        label, came = ("failed", self.error) if self.error is not None else ("solution", self.solution or "")
        calls = [
            html_folded(f"call {number}: {call.role}, {call.model}", _turns(call))
            for number, call in enumerate(self.calls, 1)
        ]
        title = f"{self.problem.id} by {self.method}" + f", sample {self.sample}" * (self.sample > 0)
        return fragment(
            title, html_text(self.problem.question), *plan, html_text(came, label), *self._figures(), *calls
        )

    def _figures(self) -> list[str]:
        """Say what it is to be measured by: the gold, tokens by role, how its replies ended."""
        roles = dict.fromkeys(call.role for call in self.calls)
        tokens = {f"{role} tokens": _in_and_out(self.tokens(role)) for role in roles}
        return [html_facts({"gold": self.problem.answer, **tokens, "not whole": self.ending * self.truncated})]


def _turns(call: Call) -> str:
    turns = [f"[{turn.role}]\n{turn.content}" for turn in call.messages]
    return "\n\n".join([*turns, f"[reply, {call.reply.finish}]\n{call.reply.text}"])


def _in_and_out(usage: Usage | None) -> str:
    return "unknown" if usage is None else f"{count(usage.input)} in, {count(usage.output)} out"


class Grade(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a grader concluded: `found` is the answer it read in the text, `why` one line a person can check.

    `parts` are the grades by single criteria that it was made of; the store keeps each under its own grader's name.
    """

    verdict: Verdict
    found: str | None = None
    why: str = ""
    grader: str = ""
    parts: tuple["Grade", ...] = ()


class Chain(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One text that a teacher wrote for a problem: a chain of thought, or in a corpus of plans a plan, with its grade.

    `text` is verbatim. `grade.found` is the answer read in it (its label); of a plan, `right` means that at least
    one student who followed it was right. `logprob` is the mean log-probability of its tokens (nats), `tokens` their
    number. `variant` is what a pool says of how it was made; `gold_conditioned` that its teacher saw the gold answer.
    """

    problem: Problem
    text: str
    teacher: str
    sample: int = 0
    grade: Grade = Grade("ungraded")
    logprob: float | None = None
    tokens: int | None = None
    finish: Finish = "stop"
    variant: str = ""
    gold_conditioned: bool = False


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a run that run; its id is their hash.

    `problems` and `prompts` are fingerprints, so that changed data or a changed wording is another run;
    `sources` are where student and teacher answer from, so that another server or file is one too. `plans`
    names where plans come from (`teacher`, `own`, `gold`, `recorded/...`), `control` what was done to them
    (`shuffled`, `generic@2`, `masked@2`, `no-nosolve@2`, `leaked`, with the version of what it does), `origin` the
    imported file. `code` stands for a user's own method. The `samples` of a problem take turns among its
    `plan_samples` plans: sample `s` follows draw `s % plan_samples`.
    """

    dataset: str
    problems: str
    count: int
    method: str
    student: str
    teacher: str = ""
    sources: tuple[str, ...] = ()
    prompt_set: str = "default"
    prompts: str = ""
    plans: str = ""
    control: str = ""
    sampling: Sampling = Sampling()
    teacher_sampling: Sampling = Sampling()
    samples: int = 1
    origin: str = ""
    code: str = ""
    plan_samples: int = 1

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits, the same on every machine for the same settings."""
        return fingerprint(self)[:12]
