"""Questions and completions as tokens: the chat template that the student is asked in, and where its answer ends."""

from collections.abc import Iterator, Sequence
from typing import Any

from stepdown.errors import CallFailed, UsageError
from stepdown.models.local import template_of
from stepdown.prompts import PromptSet, load_prompts
from stepdown.training.settings import Training
from stepdown.types import Message, Messages, Problem, Prompt


class PromptEncoder:
    """Encodes what a student of a training is asked, and what it is to write."""

    def __init__(self, tokenizer: Any, training: Training) -> None:
        self.prompts: PromptSet = load_prompts(training.prompts)
        self.method, self.asked = training.asks
        self._tokenizer, self._template = tokenizer, template_of(tokenizer, "the base")

    def prompt(self, question: Messages) -> list[int]:
        """Return the tokens of a question in the chat template, up to where the student begins."""
        return self._tokens(self._templated(question, begins=True))

    def evaluated(self, problem: Problem) -> list[int]:
        """Return the tokens a problem is asked with in evaluation: the prompt set's words for the method."""
        return self.prompt(self.prompts.render(self.method, Prompt(self.asked, problem)))

    def is_asked_so(self, problem: Problem, tokens: list[int], question: Messages) -> bool:
        """Tell whether evaluation asks in these tokens, and a whole conversation begins with them and can end."""
        begun = self._templated(question, begins=True)
        whole = self._templated(question, answer="A.")
        rest = whole.removeprefix(begun + "A.")
        ends = not rest.strip() or self._tokenizer.eos_token_id in self._tokens(rest)[:2]
        return tokens == self.evaluated(problem) and whole.startswith(begun) and ends

    def completions(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Return the tokens of completions, each with the end token; what looks like a special token is text."""
        if not texts:
            return iter(())
        rows = self._tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return ([*row, self._tokenizer.eos_token_id] for row in rows)

    def _templated(self, question: Messages, *, answer: str | None = None, begins: bool = False) -> str:
        answered = () if answer is None else (Message("assistant", answer),)
        try:
            return self._template.render((*question, *answered), begins=begins)
        except CallFailed as error:
            raise UsageError(error.what, error.hint) from None

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens
