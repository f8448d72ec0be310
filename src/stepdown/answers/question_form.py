"""What does a question ask for: how many of what, money, a percentage; and which numbers does it give?"""

import re
from fractions import Fraction
from functools import cached_property, lru_cache

from stepdown.answers.figures import numbers
from stepdown.answers.formulas_in_text import formulas, key
from stepdown.answers.words import stem

_ASKS = re.compile(r"\b(?:how|what|which|who|when|calculate|find|determine|compute|evaluate|figure|simplify)\b", re.I)
_MONEY = re.compile(
    r"\$|\b(?:dollars?|cents?|money|cost|costs|price|profit|pays?|paid|spend|spent|earn|earns|earned|salary|"
    r"charge[sd]?|revenue|worth|savings?|save|budget|fee|bill|rent|make|raise|owe)\b",
    re.IGNORECASE,
)
_MANY = re.compile(
    r"\bhow (?:many|much)\s+((?:[\w'-]+\s*){1,4})|\b(?:number|amount) of\s+((?:[\w'-]+\s*){1,3})|\bin (\w+)\b", re.I
)
_STOP = frozenset(
    {
        "how", "many", "much", "more", "less", "fewer", "total", "additional", "of", "the", "a", "an", "in", "is",
        "are", "was", "were", "did", "does", "do", "will", "would", "can", "could", "should", "has", "have", "had",
        "to", "be", "been", "each", "other", "all", "different", "new", "whole", "full", "extra", "left", "he", "she",
        "they", "it", "his", "her", "their", "per",
    }
)  # fmt: skip


_EXPRESSIVE = re.compile(
    r"\b(?:expand|factor|simplify|in terms of|inverse|polynomial|expression|express|equation|function|formula|interval|"
    r"domain|range|(?:what is|find) \$?[fgh])\b",
    re.IGNORECASE,
)
_EQUATION = re.compile(r"\b(?:what is|find|write|enter|determine|give) (?:the|an) equation\b", re.IGNORECASE)
_ROUNDED = re.compile(r"\b(?:decimal|nearest|round(?:ed)?|approximate(?:ly)?)\b", re.IGNORECASE)
_BOUNDS = re.compile(
    r"\b(?:least|minimum|minimal|smallest|most|maximum|maximal|fewest|largest|greatest)\b", re.IGNORECASE
)
_SHARE = re.compile(
    r"\b(?:probability|probabilities|fraction|decimal|proportion|ratio|chance|likelihood)\b", re.IGNORECASE
)
_LETTER = re.compile(
    r"\b(?:what is|find|determine|compute|solve for)(?: the)?(?: value of)? (?:\$|\\\()?([a-zA-Z])(?![\w^({+*/=-])",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?:who|whose|which (?:student|person|child|player|friend|team|city|day|month|of the following))\b", re.IGNORECASE
)
_GAP = re.compile(r"[.?!]\s+")
_WORD = re.compile(r"[A-Za-z]+")
_LONG_WORD = re.compile(r"[A-Za-z']{3,}")
_PERCENT = re.compile(r"percent|%", re.IGNORECASE)
_PLAIN = frozenset({"The", "Which", "Who", "Whose", "What", "Where", "When", "How", "If", "Each", "Express", "Figure"})


class QuestionForm:
    """What a question wants; the last sentence that asks decides.

    Each is read when it is first looked at: most answers are found by two or three of them. `symbols` also reads what
    only an expression needs.
    """

    def __init__(self, question: str, *, symbols: bool = True) -> None:
        self._question, self._symbols = question, symbols

    @cached_property
    def _clause(self) -> str:
        return _clause(self._question)

    @cached_property
    def nouns(self) -> frozenset[str]:
        """The stems of the nouns that it counts."""
        counted = (match[1] or match[2] or match[3] for match in _MANY.finditer(self._clause))
        stems = (stem(word) for words in counted for word in _WORD.findall(words))
        return frozenset(noun for noun in stems if noun not in _STOP)

    @cached_property
    def money(self) -> bool:
        """Whether it asks for money."""
        many = "how many" in self._clause.lower().replace("how many dollars", "")
        return not many and _asks_money(self._clause, self._question)

    @cached_property
    def percent(self) -> bool:
        """Whether it asks for a percentage."""
        return bool(_PERCENT.search(self._clause))

    @cached_property
    def given(self) -> frozenset[Fraction]:
        """The numbers that it gives."""
        return frozenset(one.value for one in numbers(self._question[:20_000], words=True))

    @cached_property
    def formulas(self) -> frozenset[str]:
        """The formulas that it gives, and their values."""
        marks = formulas(self._question[:20_000]) if self._symbols else ()
        return frozenset(key(text) for one in marks for text in (one.text, one.value))

    @cached_property
    def words(self) -> frozenset[str]:
        """The stems of the words of the sentence that asks."""
        return frozenset(stem(word) for word in _LONG_WORD.findall(self._clause)) - _STOP

    @cached_property
    def names(self) -> frozenset[str]:
        """The names among which it asks for one."""
        return _names(self._clause, self._question) if self._symbols else frozenset()

    @cached_property
    def targets(self) -> frozenset[str]:
        """The formulas of the sentence that asks."""
        return frozenset(key(one.text) for one in (formulas(self._clause[-2000:]) if self._symbols else ()))

    @property
    def equation(self) -> bool:
        """Whether it asks for an equation."""
        return self._symbols and bool(_EQUATION.search(self._clause))

    @property
    def interval(self) -> bool:
        """Whether it asks for interval notation."""
        return self._symbols and "interval notation" in self._question

    @property
    def expressive(self) -> bool:
        """Whether it asks for an expression that is no number."""
        return self._symbols and bool(_EXPRESSIVE.search(self._question))

    @property
    def rounded(self) -> bool:
        """Whether it asks for a rounded value."""
        return self._symbols and bool(_ROUNDED.search(self._question))

    @cached_property
    def bounds(self) -> bool:
        """Whether it asks for a least or greatest value."""
        return bool(_BOUNDS.search(self._clause))

    @cached_property
    def share(self) -> bool:
        """Whether it asks for a probability, a ratio or a fraction."""
        return bool(_SHARE.search(self._clause))

    @cached_property
    def letter(self) -> str:
        """The letter whose value it asks for, "" for none."""
        found = _LETTER.search(self._clause)
        return found[1] if found else ""


@lru_cache(maxsize=4096)
def question_form(question: str, *, symbols: bool = True) -> QuestionForm:
    """Return what a question wants, the same object for the same question."""
    return QuestionForm(question, symbols=symbols)


def _clause(question: str) -> str:
    """Return the last sentence that asks, from the word that does, or the last of all."""
    text = question[-20_000:].strip()
    at = text.rfind("?")
    if at >= 0:
        begin = max((gap.end() for gap in _GAP.finditer(text, 0, at)), default=0)
        end = _GAP.search(text, at)
        clause = text[begin : end.start() + 1 if end else len(text)]
    else:
        sentences = re.split(r"(?<=[.?!])\s+", text)
        clause = next((one for one in reversed(sentences) if _ASKS.search(one)), sentences[-1])
    asks = _ASKS.search(clause)
    return clause[asks.start() :] if asks else clause


def _names(clause: str, question: str) -> frozenset[str]:
    if "neither" in clause:
        return frozenset(re.findall(r"\b(?:even|odd|neither)\b", clause))
    if not _NAMED.match(clause):
        return frozenset()
    return frozenset(re.findall(r"\b[A-Z][a-z]{2,}\b", question[:5000])) - _PLAIN


def _asks_money(clause: str, question: str) -> bool:
    if not _MONEY.search(clause):
        return False
    return clause[:8].lower() == "how much" or bool(re.search(r"\$|£|€|dollar|cent", question, re.IGNORECASE))
