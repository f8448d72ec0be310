"""How a model is asked for its text: sampling, and the form that an answer must have."""

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import msgspec

T = TypeVar("T")
Effort = Literal["minimal", "low", "medium", "high"]


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool that a model asks for: an id by which its result comes back, its name, its arguments as JSON text."""

    id: str
    name: str
    arguments: str = ""


class ToolCallPiece(msgspec.Struct, frozen=True):
    """A piece of a call: pieces of one `place` belong together, and what they say of name and arguments is joined."""

    place: int
    id: str = ""
    name: str = ""
    arguments: str = ""

    @property
    def size(self) -> int:
        """Its bytes, about."""
        return len(self.name) + len(self.arguments)


class AnswerForm(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an answer must be, and what may be called for it: JSON texts in the form of OpenAI's chat completions.

    `turns` are the calls of tools so far and their results: a list of [place, turn], where the place is the number of
    turns without system lines that stand before it, -1 for the end, after the prompt.
    Source: https://platform.openai.com/docs/api-reference/chat
    """

    response_format: str = ""
    tools: str = ""
    tool_choice: str = ""
    parallel_tool_calls: bool | None = None
    turns: str = ""

    @property
    def needs(self) -> frozenset[str]:
        """What an endpoint must have a place for.

        `tools`, `response_format`; `json_object` where that is an object of any schema, `parallel_tool_calls` where
        only one tool may be called at a time.
        """
        wanted = {
            "tools": self.tools or self.turns,
            "response_format": self.response_format,
            "json_object": self.kind == "json_object",
            "parallel_tool_calls": self.parallel_tool_calls is False,
        }
        return frozenset(name for name, value in wanted.items() if value)

    @property
    def kind(self) -> str:
        """What an answer must be, `json_schema` or `json_object`; "" for plain text."""
        return _read(self.response_format, _Format).type if self.response_format else ""

    @property
    def tool_names(self) -> list[str]:
        """The names of the tools."""
        return [one.function.name for one in _read(self.tools, list[_Tool])] if self.tools else []

    @property
    def words(self) -> list[str]:
        """What it asks for, in words."""
        names = self.tool_names
        tools = [f"{len(names)} tools" if len(names) > 3 else f"tools {', '.join(names)}"] if names else []
        return tools + ([f"answer as {self.kind}"] if self.kind else [])

    def placed(self, messages: Sequence[Any]) -> list[Any]:
        """Return messages with the calls of tools and their results where they belong."""
        lines = [one for one in messages if one.role == "system"]
        others: list[Any] = [one for one in messages if one.role != "system"]
        turns = self._placed_turns()
        after = [turn for place, turn in turns if not 0 <= place < len(others)]
        for place, turn in reversed(turns):
            if 0 <= place < len(others):
                others.insert(place, turn)
        return [*lines, *others, *after]

    def _placed_turns(self) -> list[tuple[int, Any]]:
        """Return the turns with their places, none where a file says what cannot be."""
        if not self.turns or not _read(self.turns, list[tuple[int, _Turn]]):
            return []
        return [(place, turn) for place, turn in msgspec.json.decode(self.turns)]


class _Named(msgspec.Struct, frozen=True):
    name: str
    arguments: str = ""


class _Tool(msgspec.Struct, frozen=True):
    function: _Named
    id: str = ""


class _Turn(msgspec.Struct, frozen=True):
    role: Literal["assistant", "tool"]
    content: str | None = None
    tool_calls: list[_Tool] | None = None
    tool_call_id: str | None = None


class _Format(msgspec.Struct, frozen=True):
    type: str = ""


def _read(text: str, kind: type[T]) -> T:
    """Return a part of a form as what it must be; of a file's that is something else, nothing."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return kind()


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a model draws its text: `max_tokens` is in tokens, `temperature` 0 is greedy, no effort the model's own.

    `form` is what a client of `/v1` asks of the solving call: tools, or an answer by a schema; None is plain text.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    seed: int | None = None
    stop: tuple[str, ...] = ()
    reasoning_effort: Effort | None = None
    form: AnswerForm | None = None

    @property
    def compared(self) -> tuple[float, float, int, Effort | None]:
        """What must be equal where answers are compared: not the seed, nor where a text is cut or its form."""
        return self.temperature, self.top_p, self.max_tokens, self.reasoning_effort


GREEDY = Sampling()
