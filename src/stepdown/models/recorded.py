"""A model that answers with what an earlier or imported run recorded."""

from collections.abc import Callable, Iterable, Sequence

from stepdown.custom import CustomModel
from stepdown.errors import CallFailed
from stepdown.types import Capabilities, Message, Messages, Reply, Sampling
from stepdown.usercode import code_of

Replies = Callable[[Messages], Sequence[Reply]]


class RecordedModel(CustomModel):
    """Answers with stored replies to the same messages, verbatim; costs nothing.

    `replies` returns what is stored for messages, in the order of the draws, or an empty sequence. Where it
    has nothing it is asked once more with white space normalised. `index_replies` makes such a function.
    Sampling is not looked at: a recording is what it is. `source` says which recording, where the name does not.
    """

    width = 64

    def __init__(self, name: str, replies: Replies, *, source: str | None = None) -> None:
        self.name = name if name.startswith("recorded/") else f"recorded/{name}"
        source = f"{self.name}/{code_of(replies)}" if source is None else source
        self.capabilities = Capabilities(source=source, local=True, recorded=True)
        self._replies = replies

    def __repr__(self) -> str:
        return f"RecordedModel(name={self.name!r})"

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return the first n recorded replies; raises `CallFailed` where fewer are recorded."""
        replies = self._replies(messages) or self._replies(normalise(messages))
        if len(replies) >= n:
            return list(replies[:n])
        if replies:
            raise CallFailed(
                f"`{self.name}` has {len(replies)} replies to this prompt, not {n}", "ask for fewer samples"
            )
        raise CallFailed(
            f"`{self.name}` has no reply to `{messages[-1].content[:80]}`",
            "replay with the problems, prompts and plans it was recorded with",
        )


def index_replies(pairs: Iterable[tuple[Messages, Reply]]) -> Replies:
    """Return the function `RecordedModel` wants; it finds messages verbatim and with white space normalised."""
    return _Index(pairs)


class _Index:
    """Replies by their messages; `version` stands for all of them in their order."""

    def __init__(self, pairs: Iterable[tuple[Messages, Reply]]) -> None:
        self.exact: dict[Messages, list[Reply]] = {}
        self.loose: dict[Messages, list[Reply]] = {}
        for messages, reply in pairs:
            self.exact.setdefault(messages, []).append(reply)
            self.loose.setdefault(normalise(messages), []).append(reply)

    def __call__(self, messages: Messages) -> Sequence[Reply]:
        return self.exact.get(messages) or self.loose.get(messages) or ()

    @property
    def version(self) -> str:
        texts = ([messages, [reply.text for reply in some]] for messages, some in self.exact.items())
        return code_of(list(texts))


def normalise(messages: Messages) -> Messages:
    """Return the messages with each run of white space as one blank and none at the ends."""
    return tuple(Message(message.role, " ".join(message.content.split())) for message in messages)
