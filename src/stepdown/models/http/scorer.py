"""How likely a model behind an endpoint finds given tokens: vLLM's `prompt_logprobs` and `/tokenize`."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from stepdown.errors import EndpointRefused
from stepdown.models.http.addresses import join_address
from stepdown.models.http.api_errors import read_api_error
from stepdown.models.http.bodies import read_body
from stepdown.models.http.connections import HttpSession, open_session, read_break
from stepdown.models.http.endpoints import Endpoint, find_endpoint
from stepdown.models.http.http_errors import read_failure
from stepdown.models.http.limits import Limits, RetryableError
from stepdown.types import Messages

SECONDS = 600.0
# What vLLM writes for log 0, which JSON cannot say.
LEAST = -9999.0
_HINT = "serve the teacher with vLLM, or name weights that are here"


class ScoredToken(msgspec.Struct, frozen=True):
    """What is told of a token at its place."""

    logprob: float


class ScoredChoice(msgspec.Struct, frozen=True):
    """A completion: its text, and by number the tokens that are told of at each place of its prompt, none first."""

    text: str = ""
    finish_reason: str | None = None
    prompt_logprobs: tuple[dict[str, ScoredToken] | None, ...] | None = None


class ScoredCompletion(msgspec.Struct, frozen=True):
    """A response of `/completions`."""

    choices: tuple[ScoredChoice, ...]


class TokenizedText(msgspec.Struct, frozen=True):
    """A response of `/tokenize`."""

    tokens: list[int]


class Scorer:
    """Asks one model of an endpoint for log-probabilities of tokens that others wrote.

    Each method raises `EndpointRefused` where the server does not tell what it is asked, `CallFailed` where a call is
    given up; every number is of a token in the server's vocabulary.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.source = f"{endpoint.source}#{endpoint.model}"

    async def logprobs(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return log p of each token of each row given those before it, in nats; 0 of the first."""
        asked = [{"prompt": list(row), "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0} for row in rows]
        answers = await self._ask_all("/completions", asked, ScoredCompletion)
        return [self._scores(answer, row) for answer, row in zip(answers, rows, strict=True)]

    def _scores(self, answer: ScoredCompletion, row: Sequence[int]) -> list[float]:
        listed = answer.choices[0].prompt_logprobs if answer.choices else None
        if listed is None or len(listed) != len(row):
            what = f"`{self._endpoint.name}` does not tell the log-probabilities of a prompt"
            raise EndpointRefused(what, _HINT)
        scores = [0.0]
        for token, at in zip(row[1:], listed[1:], strict=True):
            found = (at or {}).get(str(token))
            if found is None:
                what = f"`{self._endpoint.name}` tells nothing of token `{token}` of a prompt"
                raise EndpointRefused(what, _HINT)
            scores.append(max(min(found.logprob, 0.0), LEAST))
        return scores

    async def write(self, prompts: Sequence[Sequence[int]], longest: int) -> list[list[int]]:
        """Return the likeliest text after each prompt, `longest` tokens of it at most, as the server reads it."""
        asked = [_greedy(one, longest) for one in prompts]
        answers = await self._ask_all("/completions", asked, ScoredCompletion)
        texts = [answer.choices[0].text if answer.choices else "" for answer in answers]
        return [one.tokens for one in await self._tokenized([{"prompt": text} for text in texts])]

    async def reply(self, prompt: Sequence[int], longest: int) -> list[int] | None:
        """Return the likeliest reply to a prompt without its end token, None where it had no end."""
        [answer] = await self._ask_all("/completions", [_greedy(prompt, longest)], ScoredCompletion)
        if not answer.choices or answer.choices[0].finish_reason != "stop":
            return None
        return await self.tokenize(answer.choices[0].text)

    async def tokenize(self, text: str) -> list[int]:
        """Return the tokens of a text, none added."""
        [found] = await self._tokenized([{"prompt": text}])
        return found.tokens

    async def tokenize_chat(self, messages: Messages) -> list[int]:
        """Return the tokens of a conversation in the server's chat template, up to where the reply begins."""
        turns = [{"role": one.role, "content": one.content} for one in messages]
        [found] = await self._tokenized([{"messages": turns, "add_generation_prompt": True}])
        return found.tokens

    async def _tokenized(self, asked: Sequence[dict[str, Any]]) -> list[TokenizedText]:
        return await self._ask_all("/tokenize", [{**one, "add_special_tokens": False} for one in asked], TokenizedText)

    async def _ask_all(self, path: str, asked: Sequence[dict[str, Any]], kind: Any) -> list[Any]:
        """Return the answers to some bodies, asked together within the limits that calls have."""
        session = open_session(self._endpoint, SECONDS)
        limits = Limits(self._endpoint.name)
        base = self._endpoint.base if path == "/completions" else self._endpoint.base.removesuffix("/v1")
        asks = (
            partial(self._ask, session, join_address(base, path), {"model": self._endpoint.model, **one}, kind)
            for one in asked
        )
        try:
            return list(await asyncio.gather(*map(limits.call, asks)))
        finally:
            await session.close()

    async def _ask(self, session: HttpSession, url: str, body: dict[str, Any], kind: Any) -> Any:
        import aiohttp

        try:
            response = await session.post(url, msgspec.json.encode(body))
            raw, broken = await read_body(response)
        except (OSError, ValueError, aiohttp.ClientError) as error:
            raise read_break(self._endpoint, error, SECONDS) from None
        if response.status == 404:
            raise EndpointRefused(f"`{self._endpoint.name}` has no `{url.rpartition('/')[2]}`", _HINT)
        if response.status != 200:
            raise read_failure(self._endpoint, response.status, response.headers, read_api_error(raw))
        if broken is not None:
            raise read_break(self._endpoint, broken, SECONDS)
        try:
            return msgspec.json.decode(raw, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise RetryableError(f"an answer of {url.rpartition('/')[2]} that is none") from None


def _greedy(prompt: Sequence[int], longest: int) -> dict[str, Any]:
    return {"prompt": list(prompt), "max_tokens": longest, "temperature": 0}


def find_scorer(name: str) -> Scorer:
    """Return what scores tokens by the model of a model string. Raises as `find_endpoint` does."""
    return Scorer(find_endpoint(name))
