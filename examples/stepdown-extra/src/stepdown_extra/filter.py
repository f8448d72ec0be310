"""A filter of chains: brief ones."""

from collections.abc import Sequence

from stepdown import Chain


def brief(chains: Sequence[Chain], words: str = "60") -> list[Chain]:
    """Chains of at most 60 words, or as many as the value says (`brief=40`)."""
    return [chain for chain in chains if len(chain.text.split()) <= int(words)]
