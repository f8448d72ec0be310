"""Filters by length and ending: at most so many tokens or words, and not cut off."""

from math import ceil
from typing import Any

from stepdown.corpus.selection.filters import Filter, FilterSpec, only
from stepdown.corpus.selection.tables import expression, word_count
from stepdown.extras import load_polars
from stepdown.types import Chain

# English text has about 1.3 to 1.5 tokens a word under the tokenizers of today's small models.
_TOKENS_PER_WORD = 1.4


def max_tokens(request: FilterSpec) -> Filter:
    """Return the filter that keeps chains of at most so many tokens."""
    most = request.whole(request.value)
    return request.filter(
        f"chains of at most {most} of their teacher's tokens, or of {_TOKENS_PER_WORD} times their words where the"
        " tokens were not counted (students of 3B and less are hurt by long chains: Li et al. 2025)",
        only(lambda chain: tokens(chain) <= most),
        expression(lambda: _tokens() <= most),
    )


def max_words(request: FilterSpec) -> Filter:
    """Return the filter that keeps chains of at most so many words."""
    most = request.whole(request.value)
    return request.filter(
        f"chains of at most {most} words between blanks (students of 3B and less are hurt by long chains:"
        " Li et al. 2025)",
        only(lambda chain: len(chain.text.split()) <= most),
        expression(lambda: word_count() <= most),
    )


def complete(request: FilterSpec) -> Filter:
    """Return the filter that drops chains whose end is missing."""
    return request.filter(
        "chains that their teacher ended, neither cut at the token limit nor by the endpoint's content filter",
        only(lambda chain: chain.finish == "stop"),
        expression(lambda: load_polars().col("finish") == "stop"),
    )


def tokens(chain: Chain) -> int:
    """Return a chain's length in tokens, estimated from its words where it was not counted."""
    return ceil(_TOKENS_PER_WORD * len(chain.text.split())) if chain.tokens is None else chain.tokens


def _tokens() -> Any:
    return load_polars().col("tokens").fill_null((word_count() * _TOKENS_PER_WORD).ceil())
