"""OpenAI's plain completions: a prompt that the model continues.

Source: https://platform.openai.com/docs/api-reference/completions
"""

from stepdown.models.http.dialects.dialect import CompletionRequest
from stepdown.models.http.dialects.openai_chat import ChatRequest, OpenAIChat
from stepdown.types import Messages


class OpenAICompletions(OpenAIChat):
    """Plain completions; the messages become one prompt, and answers have the form of chat completions."""

    name = "openai-completions"
    mark = "completions"
    path = "/completions"
    completes = True
    refusable = OpenAIChat.refusable - {"system"}
    takes = frozenset[str]()

    def body(self, request: CompletionRequest) -> ChatRequest:
        """Return a request before it is JSON."""
        body = super().body(request)
        body.messages, body.prompt = (), join_messages(request.messages)
        body.reasoning_effort = None
        # A number of alternatives in place of a yes.
        body.logprobs = 1 if body.logprobs else False
        return body


OPENAI_COMPLETIONS = OpenAICompletions()


def join_messages(messages: Messages) -> str:
    """Return the prompt of some messages: the contents, a blank line between."""
    return "\n\n".join(message.content for message in messages)
