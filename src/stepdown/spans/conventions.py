"""What calls, plans and problems are in the words of OpenTelemetry's conventions for generative AI: the one mapping.

State of November 2026 (open-telemetry/semantic-conventions-genai, upon 1.44 of the general conventions, status
"development"). What the conventions have no name for is ours, under `stepdown.`.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from stepdown.types import Message, Messages, Reply, Role, Sampling, Usage

Attributes = dict[str, Any]
# The kinds of operation.
CALL, PLAN, PROBLEM = "chat", "plan", "invoke_workflow"
# Who answers where the model is of this machine, or of the program.
_HERE = "stepdown"
# Providers whose names the conventions fix; others keep theirs.
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "xai": "x_ai",
}
_FINISHES = {"filter": "content_filter"}
_PORTS = {"http": 80, "https": 443}
ERROR_TYPE, FINISH_REASONS = "error.type", "gen_ai.response.finish_reasons"


class SpannedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it is sent: `draws` replies to `messages`, asked of what `provider` calls `model`.

    `source` is where the model answers from, `remote` whether that is another process, `batch` the batch it went in,
    whose list does not say which `role` was played.
    """

    provider: str
    model: str
    source: str
    remote: bool
    messages: Messages
    sampling: Sampling
    draws: int = 1
    streamed: bool = False
    role: Role | None
    run: str = ""
    batch: str = ""


def asked(call: SpannedCall) -> Attributes:
    """Return what is known of a call when it begins."""
    sampling = call.sampling
    return {
        "gen_ai.operation.name": CALL,
        "gen_ai.provider.name": _PROVIDERS.get(call.provider, call.provider) or _HERE,
        "gen_ai.request.model": call.model,
        "gen_ai.request.temperature": sampling.temperature,
        "gen_ai.request.top_p": sampling.top_p,
        "gen_ai.request.max_tokens": sampling.max_tokens,
        **_known(
            {
                "gen_ai.request.seed": sampling.seed,
                "gen_ai.request.stop_sequences": list(sampling.stop) or None,
                "gen_ai.request.reasoning.level": sampling.reasoning_effort,
                "gen_ai.request.choice.count": call.draws if call.draws > 1 else None,
                "gen_ai.request.stream": call.streamed or None,
                "gen_ai.output.type": "json" if sampling.form is not None and sampling.form.kind else None,
                "stepdown.run.id": call.run or None,
                "stepdown.role": call.role,
                "stepdown.batch.id": call.batch or None,
            }
        ),
        **_server(call.source),
    }


def answered(replies: Sequence[Reply]) -> Attributes:
    """Return what the replies to a call say of it; tokens are those of all, and left out where one is unknown."""
    usages = [reply.usage for reply in replies if reply.usage is not None and reply.usage.possible]
    return {
        "gen_ai.response.model": replies[0].model,
        FINISH_REASONS: [_finish(reply) for reply in replies],
        **(_tokens(usages) if len(usages) == len(replies) else {}),
        **_server(replies[0].server),
        **_known({"stepdown.seconds": replies[0].seconds or None}),
    }


def failed(error: BaseException, draws: int = 0) -> Attributes:
    """Return what an error is: the name of its class, and `error` for each of the draws that it ended."""
    return {ERROR_TYPE: type(error).__name__, **({FINISH_REASONS: ["error"] * draws} if draws else {})}


def planning(run: str) -> Attributes:
    """Return what is known of the making of a plan."""
    return {"gen_ai.operation.name": PLAN, **_known({"stepdown.run.id": run or None})}


def solving(method: str, problem: str, run: str, samples: int) -> Attributes:
    """Return what is known of a problem when it is begun: its workflow is the method."""
    return {
        "gen_ai.operation.name": PROBLEM,
        "gen_ai.workflow.name": method,
        "stepdown.problem.id": problem,
        "stepdown.samples": samples,
        **_known({"stepdown.run.id": run or None}),
    }


def texts_asked(messages: Messages) -> Attributes:
    """Return the messages themselves."""
    return {"gen_ai.input.messages": [{"role": one.role, "parts": [_text(one.content)]} for one in messages]}


def texts_answered(replies: Sequence[Reply]) -> Attributes:
    """Return the replies themselves, each a message."""
    return {"gen_ai.output.messages": [{"role": "assistant", "parts": _parts(reply)} for reply in replies]}


def texts_solved(question: str, solutions: Sequence[str]) -> Attributes:
    """Return a problem's question and its solutions."""
    answers = [{"role": "assistant", "parts": [_text(one)]} for one in solutions]
    return texts_asked((Message("user", question),)) | {"gen_ai.output.messages": answers}


def _parts(reply: Reply) -> list[dict[str, str]]:
    parts = [{"type": "reasoning", "content": reply.reasoning}] if reply.reasoning else []
    parts += [_text(reply.text)] if reply.text else []
    return parts + [
        {"type": "tool_call", "id": one.id, "name": one.name, "arguments": one.arguments} for one in reply.tool_calls
    ]


def _text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


def _finish(reply: Reply) -> str:
    return "tool_call" if reply.tool_calls else _FINISHES.get(reply.finish, reply.finish)


def _tokens(usages: Sequence[Usage]) -> Attributes:
    """Return the tokens of all replies: cached ones are among the input, reasoning among the output."""
    cached, reasoning = sum(one.cached for one in usages), sum(one.reasoning for one in usages)
    return {
        "gen_ai.usage.input_tokens": sum(one.input for one in usages),
        "gen_ai.usage.output_tokens": sum(one.output for one in usages),
        **_known(
            {
                "gen_ai.usage.cache_read.input_tokens": cached or None,
                "gen_ai.usage.reasoning.output_tokens": reasoning or None,
            }
        ),
    }


def _server(source: str) -> Attributes:
    """Return host and port of an address; nothing of a source that is none, such as a hash of weights."""
    try:
        at = urlsplit(source)
        host, port = at.hostname, at.port
    except ValueError:  # one bracket of two, or a port that is no number
        return {}
    if at.scheme not in _PORTS or not host:
        return {}
    return {"server.address": host, "server.port": port or _PORTS[at.scheme]}


def _known(attributes: Mapping[str, Any]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}
