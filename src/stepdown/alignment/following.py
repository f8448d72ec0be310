"""What became of a step of a plan: done, changed, repeated without work, or skipped, with what that rests on.

The rules follow the codebook of docs/adherence.md; `benchmarks/adherence.py` says how far they agree with a person.
"""

import re
from collections.abc import Sequence

import msgspec

from stepdown.alignment.aligning import asks_answer, asks_thought
from stepdown.alignment.likeness import Features, Likeness, features
from stepdown.alignment.plan_steps import PlanStep
from stepdown.alignment.values import SolutionPart, StepFollowed, StepStatus

_WITHIN = 0.34  # the share of a step that a part of its neighbour must hold for it to be done there
_SOMEWHERE = 0.2  # the same of the whole solution, for a step that is done by saying or using it
_VAGUE = 0.5
_REPEATED = 0.85
_BESIDE = 2  # parts of other steps on either side that are looked at
_CHANGED = 0.12
_DOUBTFUL = 0.25

_MARKERS = re.compile(r"^[*_#\s]*(?:step\s*)?\(?\d{1,3}[.):]", re.IGNORECASE | re.MULTILINE)
_RESULTS = re.compile(
    r"\b(?:add|subtract|multiply|divide|calculate|compute|solve|simplify|evaluate|figure out|check|verify|convert|"
    r"substitute|find|determine|expand|factor)(?:ing)?\b",
    re.IGNORECASE,
)
_FACTS = re.compile(
    r"^\W*(?:first,?\s+|start by\s+|begin by\s+|next,?\s+)?(?:identify|write|list|record|establish|define|set up|"
    r"look at|observe|recognis|not(?:e|ing)|identifying|writing)",
    re.IGNORECASE,
)
_CHECKS = re.compile(r"\b(?:(?:double-?\s?)?check(?:ing|ed|s)?|verif\w+|confirm\w*|validat\w+)\b", re.IGNORECASE)
_FORBIDS = re.compile(r"^\W*(?:stop here|do not|don.t)\b.*\b(?:solve|calculate|compute|value|price)\b", re.IGNORECASE)
_SOUND = re.compile(
    r"\b(?:correct|right|satisf\w+|match\w*|hold\w*|valid\w*|equals?|reasonable|accurate|sense|true)\b", re.IGNORECASE
)
_SAYS_CALCULATE = re.compile(r"\b(?:calculat\w+|comput\w+|count how|how many|how much|figure out)\b", re.IGNORECASE)
_VARIABLE = re.compile(r"(?<![\w'’\\])\d*[b-hj-zA-HJ-Z](?![\w'’.])")
_INTRODUCED = re.compile(
    r"\b(?i:let(?:['’]s|s)?|call(?:ed)?|denoted?|represent(?:s|ed)?|assume|suppose)\b[^.\n]{0,60}?"
    r"(?<![\w'’])[\"“*_$]{0,2}([b-hj-zA-HJ-Z])(?![\w'’])"
)
_VALUE = re.compile(r"=\s*[$€\\]{0,2}\d[\d,.]*(?!\s*[*×/(]|\w)")
_WORDS = re.compile(r"^\W*(?:finally,?\s+|lastly,?\s+)?(?:express|state|report)\b", re.IGNORECASE)
_AFTER = re.compile(r"^\W*(?:once|if|after)\b", re.IGNORECASE)
_RECORDS = re.compile(r"\b(?:write|record)\b", re.IGNORECASE)
_FORMULA = re.compile(r"\$[^\d\s]|[=\\]")
_RESULT = re.compile(r"(?:=|\bis|\bare|:|\bof)\s*[$€\\*(]*\d|\d[\d,.]*\s+[a-z]{3,}")
_ARITHMETIC = re.compile(r"\d[^\n=]{0,30}[-+*×x/÷−][^\n=]{0,30}\d[^\n=]{0,20}=")
_NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
_TIMES = {
    "twice": "2", "double": "2", "half": "2 0.5", "third": "3 0.33", "triple": "3", "thrice": "3", "quarter": "4 0.25",
    "fourth": "4 0.25", "fifth": "5 0.2",
}  # fmt: skip
_TIMES_WORD = re.compile(rf"\b({'|'.join(_TIMES)})(?:s|d)?\b", re.IGNORECASE)


class Scene(msgspec.Struct, frozen=True):
    """What a step is judged by: all parts of the solution, its text, and the number by which its work begins."""

    parts: Sequence[SolutionPart]
    likeness: Likeness
    solution: str
    begins: int = 1

    def text(self, some: Sequence[int]) -> str:
        """Return the text of some parts without the numbers that open their lines."""
        return _MARKERS.sub(" ", "\n".join(self.solution[self.parts[at].start : self.parts[at].end] for at in some))


def followed(place: int, step: PlanStep, scene: Scene) -> StepFollowed:
    """Return what became of a step of the plan."""
    own = tuple(at for at, part in enumerate(scene.parts) if part.step == place)
    if _FORBIDS.search(step.text) and any(_works(at, scene) for at in range(len(scene.parts))):
        return StepFollowed(step, "changed", own, "it asks not to, and the solution does")
    if step.number < scene.begins and not asks_thought(step):
        return StepFollowed(step, "skipped", (), f"the solution begins with step {scene.begins}")
    if not own:
        return _elsewhere(place, step, scene)
    text = scene.text(own)
    one, asked = features(text), scene.likeness.steps[place]
    if _is_copy(one, asked, step) and not _works_below(own[-1], scene):
        again = _at_the_end(step, scene) if asks_answer(step) and place == len(scene.likeness.steps) - 1 else None
        return again or StepFollowed(step, "repeated", own, "its words are there again, and nothing is worked out")
    earlier = frozenset(_INTRODUCED.findall(scene.solution[: scene.parts[own[0]].start]))
    if why := _no_number(text, one, step, asked, earlier):
        return StepFollowed(step, "changed", own, why)
    status, why = _judged(text, one, step, asked, scene.likeness.of_each(one)[place])
    return StepFollowed(step, status, own, why)


def _works(at: int, scene: Scene) -> bool:
    """Whether a part works out a number."""
    return _ARITHMETIC.search(scene.solution, scene.parts[at].start, scene.parts[at].end) is not None


def _is_copy(one: Features, asked: Features, step: PlanStep) -> bool:
    """Whether a part only says a step again; what names a formula or asks for no result is done so."""
    if one.numbers - asked.numbers or one.computes or asks_thought(step) or (asked.numbers and not asked.sure):
        return False
    if "$" in step.text or "\\" in step.text or not _RESULTS.search(step.text):
        return False
    return len(one.terms & asked.terms) >= _REPEATED * len(one.terms)


def _works_below(last: int, scene: Scene) -> bool:
    """Whether work without a number of its own stands right below a part."""
    if last + 1 >= len(scene.parts):
        return False
    below = scene.solution[scene.parts[last + 1].start : scene.parts[last + 1].end]
    return not _MARKERS.match(below) and features(below).computes


def _at_the_end(step: PlanStep, scene: Scene) -> StepFollowed | None:
    found = next((at for at, part in enumerate(scene.parts) if part.kind == "answer"), None)
    return None if found is None else StepFollowed(step, "done", (found,), "at the end")


def _judged(text: str, one: Features, step: PlanStep, asked: Features, like: float) -> tuple[StepStatus, str]:
    for changed in (_other_operation, _other_quantity):
        if why := changed(text, one, step, asked):
            return "changed", why
    if like < _DOUBTFUL and asked.digits and one.signs and not asked.digits & one.numbers:
        return "changed", f"its {', '.join(sorted(asked.digits)[:3])} is not in the part"
    if like < _CHANGED and not one.computes:
        return "changed", "a part stands in its place that has few of its words"
    if _asks_check(step) and not one.computes and not _SOUND.search(text) and not _CHECKS.search(text):
        return "repeated", "it asks for a check, and nothing is checked"
    return "done", ""


def _other_operation(text: str, one: Features, step: PlanStep, asked: Features) -> str:
    missing = asked.sure - one.operations
    if len(asked.operations) == 1 and not asked.sure & one.signs and _ARITHMETIC.search(text):
        missing = asked.sure  # its word may be there, as a part often says its step again
    if not one.signs or not missing:
        return ""
    return f"it asks to {' and '.join(sorted(_NAMES[sign] for sign in missing))}; the part does not"


def _other_quantity(text: str, one: Features, step: PlanStep, asked: Features) -> str:
    if missing := _missing_times(text, one, step):
        return f"its `{missing}` is not in the part"
    names = _FACTS.search(step.text) and _RECORDS.search(step.text) and not asked.sure
    if names and not (_FORMULA.search(step.text) or _RESULTS.search(step.text)) and _ARITHMETIC.search(text):
        return "it asks to name something, and the part works something out"
    return ""


def _no_number(text: str, one: Features, step: PlanStep, asked: Features, earlier: frozenset[str]) -> str:
    """Say that a variable stands where a number is asked for; one that earlier parts left is only used."""
    if not _SAYS_CALCULATE.search(step.text) or _VARIABLE.search(step.text) or _FORMULA.search(step.text):
        return ""
    used = {found[-1] for found in _VARIABLE.findall(text)}
    named = bool(_INTRODUCED.search(text)) and not _VALUE.search(text)
    if used and not used & earlier and (named or not (one.digits - asked.digits and _RESULT.search(text))):
        return "it asks for a number, and the part gives none"
    return ""


def _asks_check(step: PlanStep) -> bool:
    return _CHECKS.search(step.text) is not None and not _AFTER.search(step.text)


def _missing_times(text: str, one: Features, step: PlanStep) -> str:
    """Return the word for a multiple or a part that a step names and work in its place has not, in any form."""
    words = {word.lower() for word in _TIMES_WORD.findall(step.text)}
    if len(words) != 1 or not one.computes or not one.digits:
        return ""
    word = words.pop()
    held = {found.lower() for found in _TIMES_WORD.findall(text)}
    return "" if word in held or set(_TIMES[word].split()) & one.numbers else word


def _elsewhere(place: int, step: PlanStep, scene: Scene) -> StepFollowed:
    """Look for a step without a part of its own in the parts beside its place, in all the solution, and at the end."""
    asked = scene.likeness.steps[place]
    before = [at for at, part in enumerate(scene.parts) if part.step is not None and part.step < place][-_BESIDE:]
    after = [at for at, part in enumerate(scene.parts) if part.step is not None and part.step > place][:_BESIDE]
    between = range(before[-1] + 1 if before else 0, after[0] if after else len(scene.parts))
    best = (0.0, -1)
    for at in (*before, *between, *after):
        one = features(scene.text((at,)))
        if scene.parts[at].kind == "talk" or (asked.sure and not asked.sure & one.operations):
            continue
        answers = scene.parts[at].kind == "answer" and asks_answer(step)
        best = max(best, (scene.likeness.cover(one, place) + 0.2 * answers, at))
    if best[0] >= _WITHIN:
        part = scene.parts[best[1]]
        named = "at the end" if part.step is None else f"within the part of step {part.step + 1}"
        return StepFollowed(step, "done", (best[1],), named)
    answers_last = asks_answer(step) or _WORDS.search(step.text) is not None
    if place == len(scene.likeness.steps) - 1 and answers_last and (end := _at_the_end(step, scene)):
        return end
    return _in_passing(place, step, scene) or _instead(step, scene, between)


def _in_passing(place: int, step: PlanStep, scene: Scene) -> StepFollowed | None:
    """Return that a step is done although no part is its own: said or used somewhere, or with nothing in it to miss."""
    asked, whole = scene.likeness.steps[place], features(scene.solution)
    if _AFTER.search(step.text):
        return StepFollowed(step, "done", (), "in passing: it says what comes of, or after, others")
    if _asks_check(step):
        done = _CHECKS.search(scene.solution) is not None
        return StepFollowed(step, "done", (), "the solution says that it checks") if done else None
    if asked.sure and not asked.sure & whole.operations:
        return None
    says = asks_thought(step) or _FACTS.search(step.text) is not None
    covers = scene.likeness.cover(whole, place)
    used = bool(asked.digits) and len(asked.digits & whole.digits) >= 0.5 * len(asked.digits)
    if covers >= (_SOMEWHERE if says else _VAGUE) or used:
        return StepFollowed(step, "done", (), "in passing: its words or numbers are in the solution")
    beside = {part.step for part in scene.parts} & {place - 1, place + 1}
    if beside and not asked.sure and asked.operations <= whole.operations:
        return StepFollowed(step, "done", (), "in passing: it asks for nothing of its own between steps that are done")
    return None


def _instead(step: PlanStep, scene: Scene, between: Sequence[int]) -> StepFollowed:
    """Return that other work stands where a step belongs, or that nothing does."""
    added = tuple(at for at in between if scene.parts[at].kind == "added")
    if added and not asks_thought(step):
        return StepFollowed(step, "changed", added, "other work stands in its place")
    return StepFollowed(step, "skipped", (), "no part is like it")
