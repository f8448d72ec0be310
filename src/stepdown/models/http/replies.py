"""From an endpoint's answer to replies."""

from stepdown.models.http.dialects.dialect import Answer, AnswerChoice
from stepdown.models.http.finish_reasons import is_given, read_finish
from stepdown.models.http.lenient_json import unicode_of
from stepdown.models.http.tool_calls import joined_calls
from stepdown.models.http.usage import split_usage
from stepdown.models.stop_strings import cut_at_stop
from stepdown.models.thinking import split_thinking
from stepdown.types import Finish, Reply, Sampling, Usage


def read_replies(answer: Answer, name: str, seconds: float, sampling: Sampling, n: int = 1) -> list[Reply]:
    """Return a reply for each of the first n choices; they share what all choices used.

    `name` stands in where the endpoint does not say its model. Texts end before a stop string, whether or not the
    endpoint was told of it.
    """
    choices = answer.choices[:n]
    texts = [texts_of(choice) for choice in choices]
    usages = split_usage(answer.usage, [len(text) + len(thought) for text, thought in texts])
    return [
        Reply(
            text=(cut := cut_at_stop(text, sampling.stop)),
            model=answer.model or name,
            usage=usage,
            finish="stop" if len(cut) < len(text) else _finish_of(choice, usage if n == 1 else None, sampling),
            seconds=seconds,
            logprob=choice.logprob,
            reasoning=thought,
            tool_calls=joined_calls(choice.tool_calls) if choice.tool_calls else (),
        )
        for choice, (text, thought), usage in zip(choices, texts, usages, strict=True)
    ]


def texts_of(choice: AnswerChoice) -> tuple[str, str]:
    """Return a choice's text and its reasoning; `<think>...</think>` in front of the text is reasoning."""
    return split_thinking(unicode_of(choice.text or ""), unicode_of(choice.reasoning))


def _finish_of(choice: AnswerChoice, usage: Usage | None, sampling: Sampling) -> Finish:
    """Return how a choice ended; one that says nothing and took all it may write has reached its limit."""
    ending = read_finish(choice.finish)
    if not is_given(choice.finish) and usage is not None and usage.output >= sampling.max_tokens:
        return "length"
    return "unknown" if ending == "broken" else ending
