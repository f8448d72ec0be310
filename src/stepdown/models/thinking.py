"""A `<think>` block in front of a text, which is reasoning and not shown."""

THINK, THOUGHT = "<think>", "</think>"


class VisibleText:
    """The part of a streamed text to be shown: all but a `<think>` block in front, as `split_thinking` does."""

    def __init__(self) -> None:
        self._held = ""
        self._closed = self._shown = False

    def add(self, piece: str) -> str:
        """Take in a piece and return what of the text can be shown by now."""
        if self._shown:
            return piece
        if not self._closed:
            self._held += piece
            begun = self._held.lstrip()
            if len(begun) < len(THINK) and THINK.startswith(begun):
                return ""
            if not begun.startswith(THINK):
                self._shown = True
                return self._held
            at = self._held.find(THOUGHT, max(0, len(self._held) - len(piece) - len(THOUGHT)))
            if at < 0:
                return ""
            self._closed, piece = True, self._held[at + len(THOUGHT) :]
        rest = piece.lstrip()
        self._shown = bool(rest)
        return rest


def split_thinking(text: str, reasoning: str = "") -> tuple[str, str]:
    """Return a text without a leading `<think>` block, and the reasoning with that; an unclosed block is all of it."""
    if not text.lstrip().startswith(THINK):
        return text, reasoning
    inside, _, rest = text.lstrip().removeprefix(THINK).partition(THOUGHT)
    return rest.lstrip(), "\n".join(part for part in (reasoning, inside.strip()) if part)
