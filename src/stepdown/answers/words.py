"""Words without their endings, so that what is counted can be told from what is asked for."""

from functools import lru_cache


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Return a word without case and plural, enough to see that `boxes` counts `box`."""
    word = word.lower()
    for ending, instead in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("sses", "ss"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith("ss"):
            return word[: -len(ending)] + instead
    return word
