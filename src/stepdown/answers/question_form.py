"""What does a question ask for: how many of what, money, a percentage; and which numbers does it give?"""

import re
from fractions import Fraction
from functools import lru_cache

import msgspec

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
_PLAIN = frozenset({"The", "Which", "Who", "Whose", "What", "Where", "When", "How", "If", "Each", "Express", "Figure"})


class QuestionForm(msgspec.Struct, frozen=True):
    """What a question wants: stems of the nouns it counts, whether money or a percentage, and the numbers it gives."""

    nouns: frozenset[str] = frozenset()
    money: bool = False
    percent: bool = False
    given: frozenset[Fraction] = frozenset()
    formulas: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    equation: bool = False
    interval: bool = False
    expressive: bool = False
    rounded: bool = False
    bounds: bool = False
    share: bool = False
    letter: str = ""


@lru_cache(maxsize=4096)
def question_form(question: str, *, symbols: bool = True) -> QuestionForm:
    """Read a question; the last sentence that asks decides. `symbols` also reads what only an expression needs."""
    clause = _clause(question)
    nouns: list[str] = []
    for match in _MANY.finditer(clause):
        nouns += [stem(word) for word in re.findall(r"[A-Za-z]+", match[1] or match[2] or match[3])]
    marks = formulas(question[:20_000]) if symbols else ()
    return QuestionForm(
        nouns=frozenset(noun for noun in nouns if noun not in _STOP),
        money="how many" not in clause.lower().replace("how many dollars", "") and _asks_money(clause, question),
        percent=bool(re.search(r"percent|%", clause, re.IGNORECASE)),
        given=frozenset(one.value for one in numbers(question[:20_000], words=True)),
        formulas=frozenset(key(text) for one in marks for text in (one.text, one.value)),
        words=frozenset(stem(word) for word in re.findall(r"[A-Za-z']{3,}", clause)) - _STOP,
        names=_names(clause, question) if symbols else frozenset(),
        targets=frozenset(key(one.text) for one in (formulas(clause[-2000:]) if symbols else ())),
        equation=symbols and bool(_EQUATION.search(clause)),
        interval=symbols and "interval notation" in question,
        expressive=symbols and bool(_EXPRESSIVE.search(question)),
        rounded=symbols and bool(_ROUNDED.search(question)),
        bounds=bool(_BOUNDS.search(clause)),
        share=bool(_SHARE.search(clause)),
        letter=letter[1] if (letter := _LETTER.search(clause)) else "",
    )


def _clause(question: str) -> str:
    sentences = re.split(r"(?<=[.?!])\s+", question[-20_000:].strip())
    asking = [one for one in sentences if "?" in one] or [one for one in sentences if _ASKS.search(one)]
    clause = (asking or sentences)[-1]
    at = [match.start() for match in _ASKS.finditer(clause)]
    return clause[at[0] :] if at else clause


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
