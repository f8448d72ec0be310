"""Token counts as servers give them, in any dress, and within what can be true."""

from typing import Any

from stepdown.types import MOST_TOKENS, Usage

_INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_token_count", "prompt_eval_count")
_OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount", "candidates_token_count", "eval_count")
_TOTAL = ("total_tokens", "totalTokenCount", "total_token_count")
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cachedContentTokenCount")
_REASONING = ("reasoning_tokens", "thinking_tokens", "thoughtsTokenCount", "thoughts_token_count")
_IN_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_OUT_DETAILS = ("completion_tokens_details", "output_tokens_details")


def read_usage(counts: object) -> Usage | None:
    """Return the tokens of a request with all its choices, None where they cannot be read or cannot be true.

    What `total_tokens` has beyond prompt and completion is hidden, billed as output, and so are thoughts that a
    server counts beside the completion. Cached input is at most the input.
    """
    if counts is None or isinstance(counts, Usage):
        return counts
    if isinstance(counts, list):
        counts = next((one for one in counts if isinstance(one, dict)), None)
    if not isinstance(counts, dict):
        return None
    given, written, total = _first(counts, _INPUT), _first(counts, _OUTPUT), _first(counts, _TOTAL)
    if given is None and written is not None and total is not None:
        given = max(0, total - written)
    if written is None and given is not None and total is not None:
        written = max(0, total - given)
    # No request has no tokens: servers that do not count write zeros.
    if given is None or written is None or given + written == 0:
        return None
    if "input_tokens" in counts and "prompt_tokens" not in counts:
        # Anthropic counts what was read from its cache, or written into it, beside the input.
        cache = ("cache_read_input_tokens", "cache_creation_input_tokens")
        given += sum(_count(counts.get(name)) or 0 for name in cache)
    reasoning = _detail(counts, _OUT_DETAILS, _REASONING)
    beside = reasoning if reasoning > written else 0
    hidden = beside if total is None else max(0, total - given - written)
    cached = min(given, _detail(counts, _IN_DETAILS, _CACHED))
    return Usage(given, written + hidden, cached, min(written + hidden, max(reasoning, hidden)))


def _detail(counts: dict[str, Any], details: tuple[str, ...], names: tuple[str, ...]) -> int:
    for name in details:
        if name in counts and isinstance(inside := counts[name], dict) and (count := _first(inside, names)) is not None:
            return count
    return _first(counts, names) or 0


def _first(counts: dict[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        if name in counts and (count := _count(counts[name])) is not None:
            return count
    return None


def _count(value: object) -> int | None:
    """Return a count of tokens, None for what is none: no number, negative, not finite or beyond any model."""
    if type(value) is int:
        return value if 0 <= value <= MOST_TOKENS else None
    if isinstance(value, str):
        try:
            value = float(value[:40])
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return None
    return int(value)


def split_usage(whole: Usage | None, lengths: list[int]) -> list[Usage | None]:
    """Return each choice's usage so that they add up to the whole.

    The input was read once and is the first choice's. Output is known only as a sum and is split by
    the length of the texts in characters.
    """
    if whole is None or len(lengths) == 1:
        return [whole] * len(lengths)
    outputs, thoughts = split_whole(whole.output, lengths), split_whole(whole.reasoning, lengths)
    usages = [Usage(output=output, reasoning=thought) for output, thought in zip(outputs, thoughts, strict=True)]
    return [Usage(whole.input, outputs[0], whole.cached, thoughts[0]), *usages[1:]]


def split_whole(whole: int, weights: list[int]) -> list[int]:
    """Return whole numbers in proportion to the weights that add up to `whole`."""
    weights = [weight + 1 for weight in weights]
    total, taken, before, shares = sum(weights), 0, 0, []
    for weight in weights:
        taken += weight
        shares.append(whole * taken // total - before)
        before += shares[-1]
    return shares
