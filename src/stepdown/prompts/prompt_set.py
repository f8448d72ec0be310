"""A prompt set: the words for the prompts of methods, and how they become messages.

Templates have placeholders: `{question}` (with its choices below it), `{steps}` (the plan), `{ending}` (what the answer
line should look like, by kind), and whatever else a method fills in.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from stepdown.errors import UsageError
from stepdown.methods import FEW_SHOT, METHODS
from stepdown.types import LETTERS, Kind, Message, Messages, Method, Problem, Prompt, fingerprint
from stepdown.usercode import code_of

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
# Where version 1 of the identity has a prompt's words. Files of prompt sets may still name them so, too.
FLAT = {
    "direct": ("direct", "solve"),
    "chain_of_thought": ("chain-of-thought", "solve"),
    "plan_and_solve": ("plan-and-solve", "solve"),
    "delegate": ("trace-of-thought", "plan"),
    "follow": ("trace-of-thought", "solve"),
}
# Words that version 1 had in its code.
_IMPLIED = {("few-shot", "solve"): FEW_SHOT.prompts["solve"]}


class Demonstration(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question, a hand-written chain that ends before the answer, and the answer (a choice's letter)."""

    question: str
    chain: str
    answer: str
    choices: tuple[str, ...] = ()
    kind: Kind = "number"


class PromptWords(msgspec.Struct, frozen=True, kw_only=True):
    """What the fingerprint of a prompt set is of. Its first fields are those of version 1 (`stepdown.identity`)."""

    name: str
    source: str
    direct: str
    chain_of_thought: str
    plan_and_solve: str
    delegate: str
    follow: str
    system: str
    teacher_system: str
    endings: Mapping[Kind, str]
    demonstrations: tuple[Demonstration, ...] = ()
    words: Mapping[str, Mapping[str, str]] = {}


class PromptSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words by method and prompt: `words["trace-of-thought"]["plan"]`. A prompt without any keeps its method's own.

    `system` opens the student's prompts, `teacher_system` the teacher's, empty means none. `endings` are the answer
    lines by kind of problem, `demonstrations` the worked examples for methods that show some.
    """

    name: str
    source: str
    words: Mapping[str, Mapping[str, str]] = {}
    system: str = ""
    teacher_system: str = ""
    endings: Mapping[Kind, str] = {}
    demonstrations: tuple[Demonstration, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with any word of the set."""
        return self._fingerprint(self.words)

    def fingerprint_for(self, method: Method) -> str:
        """Return twelve hexadecimal digits that change with any word that this method may be asked in.

        They stay when words for other methods are added.
        """
        names = dict.fromkeys((*method.prompts, *self.words.get(method.name, {})))
        return self._fingerprint(
            {method.name: {_fingerprint_name(method, name): self.template(method, name) for name in names}}
        )

    def _fingerprint(self, words: Mapping[str, Mapping[str, str]]) -> str:
        flat = {field: self._resolve(*address) for field, address in FLAT.items()}
        known = {address: flat[field] for field, address in FLAT.items()} | _IMPLIED
        more = {
            method: {name: text for name, text in prompts.items() if known.get((method, name)) != text}
            for method, prompts in words.items()
        }
        form = PromptWords(
            name=self.name,
            source=self.source,
            **flat,
            system=self.system,
            teacher_system=self.teacher_system,
            endings=self.endings,
            demonstrations=self.demonstrations,
            words={method: prompts for method, prompts in more.items() if prompts},
        )
        own = code_of(type(self))
        return fingerprint([form, own] if own else form)[:12]

    def _resolve(self, method: str, name: str) -> str:
        return self.words.get(method, {}).get(name, METHODS[method].prompts[name])

    def template(self, method: Method, name: str) -> str:
        """Return the words for a method's prompt: the set's, else the method's own. Raises `UsageError`."""
        words = self.words.get(method.name, {}).get(name, method.prompts.get(name))
        if words is None:
            known = ", ".join(f"`{one}`" for one in method.prompts) or "none"
            raise UsageError(
                f"`{method.name}` has no words for its prompt `{name}`, only for {known}",
                "put them into the method's `prompts`",
            )
        return words

    def render(self, method: Method, prompt: Prompt) -> Messages:
        """Return the messages of a method's prompt; demonstrations are earlier turns. Raises `UsageError`."""
        template = self.template(method, prompt.name)
        steps = prompt.plan.text if prompt.plan else ""
        values = {**prompt.values, "steps": steps, "ending": self.endings.get(prompt.problem.kind, "")}
        system = self.teacher_system if method.roles.get(prompt.name) == "teacher" else self.system
        turns = [Message("system", system)] if system else []
        text = filled(template, {**values, "question": question_text(prompt.problem)})
        if method.shows_examples:
            turns += self._demonstrated(prompt.problem.kind)
        # A question after demonstrations keeps the space around it, as in the keys of calls that were paid for.
        return (*turns, Message("user", text if method.shows_examples else text.strip()))

    def _demonstrated(self, kind: Kind) -> Iterator[Message]:
        if not self.demonstrations:
            raise UsageError(f"the prompt set `{self.name}` has no demonstrations", "use `with_demonstrations`")
        for demonstration in self.demonstrations:
            if demonstration.kind == kind:
                yield Message(
                    "user",
                    question_text(
                        Problem(
                            "", demonstration.question, demonstration.answer, demonstration.choices, demonstration.kind
                        )
                    ),
                )
                yield Message("assistant", demonstrated(demonstration))

    def planned_by(self, planner: "PromptSet", method: Method) -> "PromptSet":
        """Return this set, with another one's words for what the method asks its teacher."""
        templates = {name: planner.template(method, name) for name, role in method.roles.items() if role == "teacher"}
        return msgspec.structs.replace(
            self,
            name=f"{self.name}/{planner.name}",
            words={**self.words, method.name: {**self.words.get(method.name, {}), **templates}},
            teacher_system=planner.teacher_system,
        )


def _fingerprint_name(method: Method, name: str) -> str:
    """Return a prompt's name in a fingerprint, which says that a teacher is asked unless version 1 knows it."""
    known = (method.name, name) in FLAT.values() or method.roles.get(name, "student") == "student"
    return name if known else f"{name}@{method.roles[name]}"


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with its placeholders filled, in one pass: braces inside a value stay what they are."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def question_text(problem: Problem) -> str:
    """Return the question with its lettered choices below it."""
    lines = [f"{letter}. {choice}" for letter, choice in zip(LETTERS, problem.choices, strict=False)]
    return "\n".join([problem.question, *lines])


def demonstrated(demonstration: Demonstration) -> str:
    """Return a demonstration's chain with its answer line, as a teacher should write it."""
    return f"{demonstration.chain}\nAnswer: {demonstration.answer}"
