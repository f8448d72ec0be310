"""What a person may have meant by a model string that leads nowhere."""

import re
from difflib import get_close_matches

from stepdown.models.weights.catalogue import CATALOGUE

# How the makers of models name them; a name of no maker's, with a tag behind a colon, is Ollama's form.
_MAKERS = (
    (re.compile(r"(?:gpt-|chatgpt-|o[1-9]\b|text-)"), "openai"),
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"gemini|gemma-\d+.*-it$"), "gemini"),
    (re.compile(r"grok"), "xai"),
    (re.compile(r"(?:mistral|ministral|magistral|codestral|pixtral)-"), "mistral"),
    (re.compile(r"deepseek-(?:chat|reasoner)"), "deepseek"),
    (re.compile(r"kimi|moonshot"), "moonshot"),
    (re.compile(r"sonar"), "perplexity"),
)


def suggest(name: str) -> str:
    """Return the model string that a bare model name stands for, "" where nothing is likely."""
    plain = name.strip().lower()
    names = [weights.name for weights in CATALOGUE]
    if close := get_close_matches(plain.rpartition("/")[2], names, n=1, cutoff=0.8):
        return f"embedded/{close[0]}"
    if "/" in plain:
        return ""
    maker = next((maker for pattern, maker in _MAKERS if pattern.match(plain)), "")
    if maker:
        return f"{maker}/{name}"
    return f"ollama/{name}" if re.fullmatch(r"[\w.-]+:[\w.-]+", plain) else ""
