"""One request for a completion, from its problem to the trace that is kept of it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from stepdown.errors import BudgetReached, EndpointRefused, FormRefused, StepdownError, UsageError
from stepdown.runner import ROLES, Cascade, Delta, Fresh, FreshDraws, Task, stream_cascade, stream_one
from stepdown.store import StoredTrace
from stepdown.types import AnswerForm, Problem, Reply, ToolCall, Trace
from stepdown.web.openai.errors import bad_request, failed, form_refused, unsupported
from stepdown.web.openai.requests import ParsedRequest
from stepdown.web.openai.served import DATASET, ServedModel
from stepdown.web.openai.usage import Counted, usage_of
from stepdown.web.state import State

ANSWER = "x-stepdown-answer"  # in a request which answer is wanted, in the reply's head which it is
FINISH = {"stop": "stop", "length": "length", "filter": "content_filter", "unknown": "length"}
# What a form asks for, in the order in which it is refused, and the way out.
_INSTEAD = {
    "tools": "ask without it, or name a student at an endpoint",
    "response_format": "ask without it, or name a student at an endpoint",
    "json_object": "give a `json_schema`",
    "parallel_tool_calls": "leave it out, and take the first call of those that come",
}
_PARTS = tuple(_INSTEAD)


class Exchange:
    """A request under way: `rows` are its samples in their order once it is solved, `plan` the text shown as such."""

    def __init__(self, state: State, model: ServedModel, wanted: ParsedRequest, identity: str) -> None:
        self.state, self.model, self.wanted = state, model, wanted
        self.problem = Problem(f"{DATASET}/{identity}", wanted.question, "", kind=model.kind)
        self.run = state.store.id_of(model.settings)
        self.rows: list[StoredTrace] = []
        self.calls = FreshDraws(state.calls, self.fresh)

    @property
    def fresh(self) -> Fresh:
        """What gets fresh draws: as the request says, else every draw, but for who asks for a temperature of 0."""
        if self.wanted.answer == "drawn":
            return "answers"
        return "nothing" if self.wanted.answer == "stored" or self.wanted.temperature == 0 else "draws"

    @property
    def answered(self) -> dict[str, str]:
        """The header that says whether a model was asked for this answer or the store had all of it."""
        return {ANSWER: "drawn" if self.calls.drawn else "stored"}

    @property
    def link(self) -> dict[str, str]:
        """The header that says where the trace's page is."""
        return {"x-stepdown-trace": f"/runs/{self.run}/traces/{self.problem.id}"}

    @property
    def plan(self) -> str:
        """The plan as it was written, both plans of a cascade that went on to its teacher."""
        calls = self.rows[0].trace.calls if self.rows else ()
        return "\n\n".join(call.reply.text for call in calls if call.role == "teacher")

    def check(self) -> None:
        """Refuse what cannot be right, before any call. Raises `Refusal`."""
        if self.model.cascade is not None and self.wanted.n > 1:
            raise bad_request("a cascade gives one answer, because its samples vote; leave out `n`", "n")
        if self.wanted.form is not None:
            self._check_form(self.wanted.form)
        if self.wanted.n > 1 and self.wanted.sampling(self.model.task.sampling).temperature == 0:
            raise bad_request("greedy samples would all be the same: give a `temperature`, such as 0.7", "n")

    def _check_form(self, form: AnswerForm) -> None:
        """Refuse tools and forms of an answer that nobody behind this name can be handed."""
        task = self.model.task
        field = self.wanted.field(min(form.needs, key=_PARTS.index))
        if self.model.cascade is not None:
            raise unsupported(field, "the samples of a cascade vote by the answer in their text")
        if not task.method.last_is_known:
            raise unsupported(field, f"nobody knows which call of `{task.method.name}` is its last")
        if missing := form.needs - task.student.capabilities.takes:
            part = min(missing, key=_PARTS.index)
            why = f"`{task.student.name}` has no place for it; {_INSTEAD[part]}"
            raise unsupported(self.wanted.field(part), why)

    def _written(self) -> AsyncGenerator[Delta | StoredTrace, None]:
        """Return the text as it is written where a stream is wanted, then a row for each sample."""
        model, wanted, calls = self.model, self.wanted, self.calls
        run, context, roles = self.run, wanted.context, ROLES if wanted.stream else ()
        if model.cascade is not None:
            cascade = drawn_as(model.cascade, wanted)
            return stream_cascade(cascade, self.problem, calls, run=run, context=context, roles=roles)
        task = msgspec.structs.replace(model.task, sampling=wanted.sampling(model.task.sampling), samples=wanted.n)
        return stream_one(task, self.problem, calls, run=run, context=context, roles=roles)

    async def solve(self) -> AsyncGenerator[Delta, None]:
        """Solve the problem, yield the text of a stream as it is written, and keep the traces.

        Raises `Refusal` where no answer came of it, with the link where a trace was kept all the same.
        """
        try:
            async with aclosing(self._written()) as written:
                async for one in written:
                    if isinstance(one, StoredTrace):
                        self.rows.append(one)
                    else:
                        self.calls.drawn |= not (one.text or one.called)
                        yield one
            self.rows.sort(key=lambda row: row.trace.sample)
            await self.state.write(lambda store: self.model.keep(store, self.rows))
        except (EndpointRefused, BudgetReached, UsageError) as error:
            raise failed(error, await self._keep_refused(error)) from error
        except StepdownError as error:
            raise failed(error) from error
        failures = [row.failure for row in self.rows if row.failure is not None]
        if failures:
            if isinstance(failures[0], FormRefused):
                raise form_refused(failures[0], self.wanted.field(failures[0].field), self.link)
            raise failed(failures[0], self.link)

    async def _keep_refused(self, error: StepdownError) -> dict[str, str]:
        """Keep a refusal as a trace and return its link; of a model that never answered there is none, nor a run."""
        if not self.model.known(self.state.store):
            return {}
        trace = Trace(self.problem, self.model.task.method.name, error=error.what)
        await self.state.write(lambda store: self.model.keep(store, [StoredTrace(0, trace, ())]))
        return self.link

    def usage(self) -> Counted | None:
        """Return the tokens of every call behind the answer, None where any of them is unknown."""
        return usage_of(self.rows)

    def finish(self, row: StoredTrace) -> str:
        """Return why a sample's text ended, in OpenAI's words; of a cascade's votes the one that was taken counts."""
        own = _answer_of(row)
        if own is not None and own.tool_calls and own.finish == "stop":
            return "tool_calls"
        return FINISH[own.finish] if own is not None else "stop"

    def tool_calls(self, row: StoredTrace) -> tuple[ToolCall, ...]:
        """Return the tools that a sample asks to be called."""
        own = _answer_of(row)
        return own.tool_calls if own is not None else ()


def _answer_of(row: StoredTrace) -> Reply | None:
    replies = [call.reply for call in row.trace.calls if call.role == "student"]
    own = [reply for reply in replies if reply.text == row.trace.solution] or replies
    return own[-1] if own else None


def drawn_as(cascade: Cascade, wanted: ParsedRequest) -> Cascade:
    """Return a cascade drawn as a request says; votes are never greedy, and the last solution always is."""
    voting = wanted.sampling(cascade.cheap.sampling)
    if voting.temperature == 0:
        voting = msgspec.structs.replace(voting, temperature=cascade.cheap.sampling.temperature)
    greedy = msgspec.structs.replace(voting, temperature=cascade.dear.sampling.temperature)
    return msgspec.structs.replace(cascade, cheap=_drawn(cascade.cheap, voting), dear=_drawn(cascade.dear, greedy))


def _drawn(task: Task, sampling: object) -> Task:
    return msgspec.structs.replace(task, sampling=sampling)
