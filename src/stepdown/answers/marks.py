"""Where a text marks its answer: a box, `####`, a tag, a field of JSON, an answer line, `the answer is`."""

import json
import re
from collections import deque
from collections.abc import Iterator
from itertools import chain

import msgspec

from stepdown.answers.latex import boxed

_LONGEST = 2_000
_LINES = 24
_TAIL = 20_000
_MOST = 200
# The words for "answer" that models use, and what joins them to it.
_ADJECTIVE = (
    r"(?:final|correct|right|best|exact|simplified|numerical|numeric|overall|complete|definitive|most \w{1,12}|only|"
    r"actual|true|required|desired|resulting)"
)
_NOUN = r"(?:answers?|ans\b)"
_IS = r"(?:is(?: thus)?|are|(?:would|should|must|will|has to|turns out to) be|equals|comes out to|becomes|thus is)\b"
_ENGLISH = (
    rf"(?<![A-Za-z-])(?:{_ADJECTIVE}[ ]){{0,2}}{_NOUN}(?:[ ](?:to|for|of|here"
    rf"|in)\b[^:.?!\n]{{0,80}}?)?(?:[ ]?\([^()\n]{{0,60}}\))?[*_\"'`) ]{{0,6}}"
    rf"(?:(?P<is>[ ]?,?[ ]?(?:then|therefore|thus)?,?[ ]?{_IS})|(?P<colon>[:=→⇒]|[-=]{{1,2}}>|[ ][-–—][ ]))"
    rf"|(?<![A-Za-z-])(?:{_ADJECTIVE}[ ])(?:option|choice|result|solution|value|statement|response)[ *_]{{0,4}}"
    rf"(?:(?P<is2>{_IS})|(?P<colon2>[:=]))"
)
_FOREIGN = (
    r"(?<![^\W\d_])(?:respuesta|respostas?|risposta|réponse|reponse|antwort|antwoord|lösung|ergebnis|odpowiedź"
    r"|ответ|svar|"
    r"vastaus|válasz|cevap|jawaban|đáp án|उत्तर|الجواب|الإجابة)"
    r"(?:[ ](?:final|finale|finala|correcta|correcte|corretta|correta|richtige|endgültige|juste|akhir))?[*_ ]{0,4}"
    r"(?:(?P<is3>(?:es|est|ist|lautet|é|è|is|to|är|er|on|adalah|là|है|هو|هي)(?![^\W\d_]))|(?P<colon3>[:=—–]|-\s))"
    r"|(?:答案|正解|答え|解答|こたえ|正确选项|正確選項|정답|답|所以选|故选|因此选|应选|我选|选择)[*_ ]{0,4}"
    r"(?:(?P<is4>应该是|應該是|就是|是|为|為|は|이|은|는|选|選)[*_ ]{0,4}(?P<colon5>:?)"
    r"|(?P<colon4>[:]|(?<=选)|(?<=选择)))"
    r"|(?<![^\W])(?P<colon6>(?<=答)[:])"
)
_ANSWER = re.compile(f"{_ENGLISH}|{_FOREIGN}", re.IGNORECASE)
_HEADING = re.compile(
    rf"^[ \t>|]*(?:\#{{1,6}}[ \t]*)?[*_]{{0,3}}(?:(?:the|my|our|your)[ ])?(?:{_ADJECTIVE}[ ])?(?:answers?"
    rf"|respuesta|antwort|"
    r"réponse|答案|答え|正解|정답)[*_]{0,3}[ \t|]*$",
    re.IGNORECASE | re.MULTILINE,
)
# What makes a statement about an answer no statement of the answer.
_OTHERS = re.compile(
    r"(?:\b(?:if|whether|unless|suppose|assume|assuming|(?:might|may|could|would) think|might say|thought|tempting"
    r"|make sure|ensure|check|checking|verifying|verify|confirm|see|sure|wrong|incorrect|previous|earlier|initial"
    r"|first|original|possible|approximate|estimated|intermediate|partial|student's|his|her|their|whose|no|not"
    r"|guess(?:ed)?|another|other|sub|each|every)\b|n't)[ ]?(?:that[ ])?(?:(?:the|this|our|your|my|an?)[ ])?\Z",
    re.IGNORECASE,
)
_REMARK = re.compile(
    r"[\s*_:]*(?:(?:indeed|also|quite|in fact|therefore|thus)[ ])?(?:(?:in)?correct|right|wrong|reasonable|valid"
    r"|accurate|"
    r"as follows|given|found|shown|based|obtained|derived|in the|simply the|just the|clear|obvious|consistent|verified|"
    r"confirmed|not clear|expected|supported|(?:positive|negative|even|odd)(?=\s*[.,]|\s*\Z)|an? (?:whole"
    r"|positive|negative)|required|asked|needed|already|below|above|of the form)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z]{2,}")
_TAG = re.compile(
    r"<(?P<close>/)?(?P<angle>(?:final[ _-]?)?(?:answer|ans))>"
    r"|\[(?P<close2>/)?(?P<square>(?:final[ _-]?)?(?:answer|ans))\]",
    re.IGNORECASE,
)
_FIELD = re.compile(
    r"[\"'](?:the[ _]?)?(?:(?:final|correct|my)[ _-]?)?(?:answer|option|choice)(?:[ _-]?(?:letter|value|key|id"
    r"|index))?[\"']"
    r"\s{0,9}:\s{0,9}(?P<value>\"(?:[^\"\\]|\\.){0,2000}\"|'(?:[^'\\\n]|\\.){0,500}'|\[[^\[\]]{0,500}\]"
    r"|[^\s\"'\[{},}][^,}\n]{0,200})",
    re.IGNORECASE,
)
_COMMAND = re.compile(
    r"(?<!\\)\\(?:frac|forall|boxed|begin|beta|binom|bar|neq?|nu|not|nabla|tfrac|text|times|theta|tan|to|right|rho|"
    r"rightarrow|[ac-eg-moqsu-zA-Z][a-zA-Z]|[()\[\],;!{}%$])"
)
_HASHES = re.compile(r"(?<!\#)\#{4}(?!\#)[ \t]*(?P<rest>[^\n]{0,300})")
_SENTENCE = re.compile(r"(?<=[a-z\d)\]}$%\"'*.])[.!?](?=[*_\"')$\]]{0,4}(?:\s+[A-Z\"'(*$\\]|\s*$))|[。！？]")
_OPENER = re.compile(r"(?:\$\$|\\\[|```[a-z]*|\\begin\{[a-z*]+\}.*|<[a-z_]+>|[*_>\s]*)\Z", re.IGNORECASE)


# What ends a sentence after its answer in Japanese and Korean.
_COPULA = re.compile(
    r"(?:です|である|でした|だ|となります|になります|となる|になる|입니다|이다|예요|이에요|이며)[。.!\s]*\Z"
)


# An answer first, its explanation after it.
_HEADED = re.compile(
    r"\s*(?P<line>[^\n]{1,80})\n[\s*_#]*(?:explanation|reasoning|rationale|justification|because|here(?:'s"
    r"| is) (?:why|how))\b",
    re.IGNORECASE,
)


class Mark(msgspec.Struct, frozen=True):
    """The place of what one mark holds; `name` is box, tag, field, hash, line, statement or final
    (a statement that concludes); `value` where it is decoded."""

    start: int
    end: int
    name: str
    value: str | None = None

    def content_in(self, text: str) -> str:
        """Return what the mark holds."""
        return text[self.start : self.end] if self.value is None else self.value


def marks(text: str) -> list[Mark]:
    """Return the marks of a text in the order of their places."""
    tail = max(0, len(text) - _TAIL)
    matches = [
        *_boxes(text),
        *_tags(text, tail),
        *_fields(text, tail),
        *_hashes(text, tail),
        *_lines(text, tail),
        *_headed(text),
    ]
    return sorted(matches, key=lambda one: (one.start, one.end))


def last_mark(text: str) -> Mark | None:
    """Return the mark that counts: a box, tag or field before a mere statement, else the last."""
    return next(ranked(marks(text)), None)


_STATED = ("statement", "final")


def ranked(marks_found: list[Mark]) -> Iterator[Mark]:
    """Yield marks, the one that counts most first."""
    strong = [one for one in marks_found if one.name not in _STATED]
    firm = strong and strong[-1].name in ("box", "tag", "field", "hash")
    later = (
        []
        if firm
        else [one for one in marks_found if one.name in _STATED and one.start > strong[-1].start]
        if strong
        else marks_found
    )
    yield from reversed(later)
    yield from reversed([one for one in strong if one not in later])
    yield from reversed([one for one in marks_found if one.name in _STATED and one not in later])


def ends_with_mark(text: str, start: int, end: int) -> bool:
    """Tell whether a part of a text marks an answer near its end."""
    begin = max(start, end - _LONGEST)
    return bool(marks(text[begin:end]))


def _boxes(text: str) -> list[Mark]:
    if "boxed" not in text and "fbox" not in text:
        return []
    return [Mark(start, end, "box") for start, end in boxed(text) if text[start:end].strip()]


def _tags(text: str, begin: int) -> Iterator[Mark]:
    if "<" not in text and "[" not in text:
        return
    opened: tuple[int, str] | None = None
    for match in _TAG.finditer(text, begin):
        name = (match["angle"] or match["square"]).lower()
        if not (match["close"] or match["close2"]):
            opened = match.end(), name
        elif opened is not None and opened[1] == name:
            yield Mark(opened[0], match.start(), "tag")
            opened = None
    if opened is not None and text[opened[0] : opened[0] + _LONGEST].strip() and len(text) - opened[0] < _LONGEST:
        yield Mark(opened[0], len(text), "tag")


def _fields(text: str, begin: int) -> Iterator[Mark]:
    if ":" not in text:
        return
    for match in _FIELD.finditer(text, begin):
        decoded = _decoded(match["value"].strip())
        words = ", ".join(map(str, decoded)) if isinstance(decoded, list) else str(decoded)
        yield Mark(match.start("value"), match.end("value"), "field", words)


def _decoded(value: str) -> object:
    """Decode a value of JSON; LaTeX whose backslashes a model forgot to double (`"\\frac12"`) is taken as it stands."""
    if value[:1] in "\"'" and (_COMMAND.search(value) or value[0] == "'"):
        return re.sub(r"\\([\"'])", r"\1", value[1:-1])
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value.strip("\"'")


def _hashes(text: str, begin: int) -> Iterator[Mark]:
    if "####" not in text:
        return
    for match in _HASHES.finditer(text, begin):
        if match["rest"].strip():
            yield Mark(match.start("rest"), match.end("rest"), "hash")


def _headed(text: str) -> Iterator[Mark]:
    match = _HEADED.match(text)
    if match is not None and not match["line"].rstrip("* ").endswith((":", "?")):
        yield Mark(match.start("line"), match.end("line"), "line")


# Every match of `_ANSWER` and `_HEADING` lies in one line and has one of these words or a sign beyond ASCII.
_TELLING = (
    "ans", "option", "choice", "result", "solution", "value", "statement", "response", "respuesta", "resposta",
    "risposta", "reponse", "antwo", "ergebnis", "svar", "vastaus", "cevap", "jawaban",
)  # fmt: skip


def _telling(text: str, begin: int) -> list[tuple[int, int]]:
    """Return the lines in which an answer may be told: a search at every place of the others would take long."""
    tail = text[begin:]
    if tail.isascii():
        return sorted({(begin + start, begin + end) for start, end in _lines_with(tail.lower())})
    lines, start = [], begin
    for line in tail.split("\n"):
        if not line.isascii() or any(word in line.lower() for word in _TELLING):
            lines.append((start, start + len(line)))
        start += len(line) + 1
    return lines


def _lines_with(low: str) -> Iterator[tuple[int, int]]:
    """Yield the lines that have one of the words: looking for each in turn is faster than for all at every place."""
    for word in _TELLING:
        at = low.find(word)
        while at >= 0:
            end = low.find("\n", at)
            end = len(low) if end < 0 else end
            yield low.rfind("\n", 0, at) + 1, end
            at = low.find(word, end)


def _lines(text: str, begin: int) -> Iterator[Mark]:
    lines = _telling(text, begin)
    matches = chain.from_iterable(_ANSWER.finditer(text, *line) for line in lines)
    for match in deque(matches, maxlen=_MOST):
        states = match.group("is", "is2", "is3", "is4") != (None, None, None, None)
        line = text.rfind("\n", max(0, match.start() - 200), match.start()) + 1
        before = text[max(line, match.start() - 60) : match.start()]
        if _OTHERS.search(before):
            continue
        leads = not before.strip(" \t*_#>|-:.0123456789)(") or before.strip().lower() in _LEADS
        start, end = _content(text, match.end(), states)
        if (
            text[start:end].strip(" *_.:")
            and not _asks(text[start:end])
            and not (states and _REMARK.match(text, start, end))
        ):
            name = "line" if leads and not states else "final" if _THEREFORE.search(before) else "statement"
            yield Mark(start, end, name)
    for heading in chain.from_iterable(_HEADING.finditer(text, *line) for line in lines):
        start, end = _content(text, heading.end(), False)
        if text[start:end].strip(" *_.:"):
            yield Mark(start, end, "line")


_THEREFORE = re.compile(
    r"\b(?:therefore|so|thus|hence|finally|in conclusion|conclude that|overall),?\s(?:(?:the|my|our) )?\Z",
    re.IGNORECASE,
)
_LEADS = {
    "the",
    "my",
    "our",
    "your",
    "so",
    "thus",
    "therefore",
    "so, the",
    "so the",
    "therefore, the",
    "**the",
    "final",
}


def _content(text: str, start: int, states: bool) -> tuple[int, int]:
    """Return what an answer line holds: the rest of its line or sentence, or the next lines where that says nothing."""
    while start < len(text) and text[start] in " \t*_:`\"'" and not text.startswith("```", start):
        start += 1
    end = _line_end(text, start)
    for _ in range(_LINES):
        words = text[start:end]
        if end >= len(text) or not (_OPENER.fullmatch(words.strip()) or _open(words)):
            break
        end = _line_end(text, end + 1)
    if states:
        sentence = _SENTENCE.search(text, start, end)
        end = sentence.start() if sentence and text[start : sentence.start()].strip(" *_$") else end
    copula = _COPULA.search(text, max(start, end - 20), end)
    end = copula.start() if copula else end
    return start, min(end, start + _LONGEST)


def _asks(text: str) -> bool:
    """Tell whether a line repeats the question, where `7?` only doubts."""
    return text.rstrip(" \n*_").endswith("?") and len(_WORD.findall(text)) > 2


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start, start + _LONGEST)
    return min(len(text), start + _LONGEST) if end < 0 else end


def _open(text: str) -> bool:
    """Tell whether a line leaves display mathematics or an environment open."""
    if len(text) > _LONGEST:
        return False
    return (
        text.count("{") > text.count("}")
        or text.count("\\begin{") > text.count("\\end{")
        or text.count("$$") % 2 == 1
        or text.count("\\[") > text.count("\\]")
        or text.count("```") % 2 == 1
    )
