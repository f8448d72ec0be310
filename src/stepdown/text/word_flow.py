"""Text that comes in pieces, broken between words as it is written."""

import re

from stepdown.text.tables import BEGIN, Measure

_TOKENS = re.compile(r"\n|[^\S\n]+|\S+")


class WordFlow:
    """Breaks lines as `folded` does, text in backticks like any other.

    A word is held back until it ends, or is half as wide as the line: then it comes as it is written.
    """

    def __init__(self, width: int, measure: Measure = len) -> None:
        self.width, self.measure = width, measure
        self._begin()

    def _begin(self) -> None:
        """Begin a line of the text."""
        self._row, self._blanks, self._word = "", "", ""
        self._indent: str | None = None  # of the rows after the first one
        self._released = False  # whether the last word is still written

    def add(self, text: str) -> str:
        """Return what more text lets be written."""
        return "".join(map(self._token, _TOKENS.findall(text)))

    def _token(self, token: str) -> str:
        if token == "\n":
            out = self._word_out()
            self._begin()
            return out + token
        if token.isspace():
            out = self._word_out()
            self._blanks, self._released = self._blanks + token, False
            return out
        self._word += token
        return self._word_out() if self._released or self.measure(self._word) > self.width // 2 else ""

    def _word_out(self) -> str:
        """Return the word with the blanks before it, or with a new row where it does not fit on this one."""
        if not self._word:
            return ""
        out = self._blanks + self._word
        full = self.measure(self._row) + self.measure(out) > self.width
        if full and self._row.strip() and not self._released and not self._row.startswith("|"):
            if self._indent is None:
                begun = BEGIN.match(self._row + out)
                self._indent = " " * min(len(begun[0]) if begun else 0, self.width // 2)
            self._row, out = self._indent + self._word, "\n" + self._indent + self._word
        else:
            self._row += out
        self._blanks, self._word, self._released = "", "", True
        return out
