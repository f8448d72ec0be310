"""Teachers that say how likely they find a student's text, token by token: on this machine, or behind an endpoint."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from stepdown.errors import CallFailed, UsageError
from stepdown.models import ADDRESSES, Scorer, find_scorer
from stepdown.models.local import BaseLocation, find_base, load_base, load_tokenizer, template_of
from stepdown.runner import plain
from stepdown.training.attention import use_block_diagonal_attention
from stepdown.training.laid_rows import rows_of
from stepdown.training.logits import target_losses, use_head_losses
from stepdown.training.objective import Batch
from stepdown.training.writing import answering, write_greedily
from stepdown.types import Messages

# Tokens in which an untrained model of this size has usually come to its answer.
USUAL_ANSWER = 256
# log p of a token that is the likeliest at its place is more, that of another end token next to nothing.
_LIKELY = math.log(0.01)
_ELSEWHERE = frozenset({*ADDRESSES, "openai-api"})


class TeacherIdentity(msgspec.Struct, frozen=True):
    """Which teacher it is: by what name, with which weights (their hash), or as which model of an endpoint."""

    name: str
    source: str


class ScoringTeacher(Protocol):
    """A model that reads a student's tokens. Every number is of the student's own vocabulary."""

    def logprobs(self, laid: Batch) -> Any:
        """Return log p of each of a packed batch's `targets` in nats: a tensor (targets,) in fp32."""
        ...

    def write(self, prompts: Sequence[list[int]], *, longest: int, end: int) -> list[list[int]]:
        """Return the teacher's own likeliest tokens after each prompt, without the end token."""
        ...


class TeacherReading(Protocol):
    """How a teacher reads what a student is asked and writes; compared before anything is trained."""

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text, none added."""
        ...

    def prompt(self, messages: Messages) -> list[int]:
        """Return the tokens of a conversation, up to where the reply begins."""
        ...

    def vocabulary(self) -> dict[str, int] | None:
        """Return the number of each token; None where it is not told."""
        ...

    def ends(self) -> int | None:
        """Return the number of the end token; None where it is not told."""
        ...

    def ends_by(self, token: int, prompt: list[int]) -> bool:
        """Whether a reply to a prompt ends with this token, as far as can be told."""
        ...


class TokenizerReading:
    """How a tokenizer of transformers reads; as an endpoint's where it `parses` what looks like a special token."""

    def __init__(self, tokenizer: Any, name: str, *, parses: bool = False) -> None:
        self._tokenizer, self._template = tokenizer, template_of(tokenizer, name)
        self._splits = not parses

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        read = self._tokenizer(text, add_special_tokens=False, split_special_tokens=self._splits)
        found: list[int] = read["input_ids"]
        return found

    def prompt(self, messages: Messages) -> list[int]:
        """Return the tokens of a conversation in the chat template. Raises `UsageError` where it refuses."""
        try:
            text = self._template.render(messages, begins=True)
        except CallFailed as error:
            raise UsageError(error.what, error.hint) from None
        found: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def vocabulary(self) -> dict[str, int] | None:
        """Return the number of each token, special ones among them."""
        return dict(self._tokenizer.get_vocab())

    def ends(self) -> int | None:
        """Return the number of the end token."""
        end: int | None = self._tokenizer.eos_token_id
        return end

    def ends_by(self, token: int, prompt: list[int]) -> bool:
        """Whether it is the end token, whatever the prompt."""
        return token == self.ends()

    def special(self) -> str:
        """Return the special tokens as text, one after another."""
        return " ".join(map(str, self._tokenizer.all_special_tokens))


class EndpointReading:
    """How a model behind an endpoint reads, asked of its server."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text, as the server reads it: what looks like a special token is one."""
        return plain(self._scorer.tokenize(text))

    def prompt(self, messages: Messages) -> list[int]:
        """Return the tokens of a conversation, in the server's chat template."""
        return plain(self._scorer.tokenize_chat(messages))

    def vocabulary(self) -> dict[str, int] | None:
        """Return None: no server tells its whole vocabulary."""
        return None

    def ends(self) -> int | None:
        """Return None: no server tells it."""
        return None

    def ends_by(self, token: int, prompt: list[int]) -> bool:
        """Whether the server's own reply to a prompt could have ended so; of one that has no end it may."""
        reply = plain(self._scorer.reply(prompt, USUAL_ANSWER))
        if reply is None:
            return True
        [scores] = plain(self._scorer.logprobs([[*prompt, *reply, token]]))
        *read, end = scores[len(prompt) :]
        # A text that is not read back as it was written has tokens that were not the likeliest: nobody knows.
        return end > _LIKELY or any(one <= _LIKELY for one in read)


class LocalTeacher:
    """A teacher in this process, in fp32 or in bf16."""

    def __init__(self, location: BaseLocation, device: Any, *, bf16: bool = False) -> None:
        model = load_base(location, bf16=bf16).model.eval().to(device)
        use_block_diagonal_attention(model)
        use_head_losses(model)
        self._model = model

    def logprobs(self, laid: Batch) -> Any:
        """Return log p of each target, by one pass over all rows."""
        import torch

        with torch.no_grad():
            return -target_losses(self._model, laid)

    def write(self, prompts: Sequence[list[int]], *, longest: int, end: int) -> list[list[int]]:
        """Return the likeliest tokens after each prompt."""
        with answering(self._model):
            return write_greedily(self._model, prompts, longest=longest, end=end)


class EndpointTeacher:
    """A teacher behind an endpoint that tells the log-probabilities of a prompt's tokens, as vLLM does."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def logprobs(self, laid: Batch) -> Any:
        """Return log p of each target. Raises `CallFailed` and `EndpointRefused`."""
        import torch

        rows = rows_of(laid)
        scored = plain(self._scorer.logprobs(rows))
        found = [
            value
            for scores, row, length in zip(scored, rows, laid["target_lengths"], strict=True)
            for value in scores[len(row) - length :]
        ]
        return torch.tensor(found, dtype=torch.float32, device=laid["targets"].device)

    def write(self, prompts: Sequence[list[int]], *, longest: int, end: int) -> list[list[int]]:
        """Return the likeliest tokens after each prompt, as the server writes them."""
        return [text[:-1] if text[-1:] == [end] else text for text in plain(self._scorer.write(prompts, longest))]


def is_elsewhere(name: str) -> bool:
    """Tell whether a teacher's name is that of a model behind an endpoint."""
    return name.partition("/")[0] in _ELSEWHERE and not Path(name).exists()


def identify_teacher(name: str) -> TeacherIdentity:
    """Return which teacher a name means. Raises `UsageError` where there is none, as `find_base` does."""
    if not name:
        raise UsageError("on-policy distillation needs a teacher", "`--teacher MODEL`, such as a larger base")
    source = find_scorer(name).source if is_elsewhere(name) else find_base(name).source
    return TeacherIdentity(name, source)


def read_by(name: str) -> TeacherReading:
    """Return how a teacher reads, without loading its weights."""
    if is_elsewhere(name):
        return EndpointReading(find_scorer(name))
    return TokenizerReading(load_tokenizer(find_base(name)), name)


def load_teacher(name: str, device: Any, *, bf16: bool = False) -> ScoringTeacher:
    """Load the teacher of a name."""
    return (
        EndpointTeacher(find_scorer(name)) if is_elsewhere(name) else LocalTeacher(find_base(name), device, bf16=bf16)
    )
