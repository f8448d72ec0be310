"""Worked examples that show a teacher what a chain looks like: four to six for each kind of problem, all ours.

The texts are written for this project and taken from no benchmark. A user's own come from a file.
"""

from pathlib import Path
from typing import get_args

import msgspec

from stepdown.errors import BadRow, UsageError
from stepdown.prompts.prompt_set import Demonstration, PromptSet
from stepdown.types import LETTERS, Kind


def with_demonstrations(prompts: PromptSet, demonstrations: tuple[Demonstration, ...] = ()) -> PromptSet:
    """Return the prompt set with these demonstrations, ours where none are given."""
    return msgspec.structs.replace(prompts, demonstrations=demonstrations or DEMONSTRATIONS)


def load_demonstrations(path: str | Path) -> tuple[Demonstration, ...]:
    """Return the demonstrations of a .jsonl file: `question`, `chain`, `answer`, and `choices` and `kind` if need be.

    Raises `UsageError` for a file that is not there or empty, `BadRow` for a row that is no demonstration.
    """
    path = Path(path)
    try:
        # Not `splitlines`, which also cuts at marks that may stand within a text of JSON.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the demonstrations `{path}`: {error}", "give a .jsonl file in UTF-8") from error
    demonstrations = tuple(_demonstration(path, number, line) for number, line in enumerate(lines, 1) if line.strip())
    if not demonstrations:
        raise UsageError(f"`{path}` holds no demonstration", "write 4 to 10, one JSON object a line")
    return demonstrations


def _demonstration(path: Path, number: int, line: str) -> Demonstration:
    try:
        demonstration = msgspec.json.decode(line, type=Demonstration)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRow(path, number, "the row", f"question, chain, answer, choices, kind ({error})") from error
    for name in ("question", "chain", "answer"):
        if not getattr(demonstration, name).strip():
            raise BadRow(path, number, name, "a text")
    letters = LETTERS[: len(demonstration.choices)]
    if demonstration.choices and demonstration.answer not in letters:
        raise BadRow(path, number, "answer", f"the letter of a choice, {', '.join(letters)}")
    # A row with choices is about a choice, whether it says so or not.
    return msgspec.structs.replace(demonstration, kind="choice") if demonstration.choices else demonstration


def _number(question: str, chain: str, answer: str) -> Demonstration:
    return Demonstration(question, chain, answer)


def _choice(question: str, choices: tuple[str, ...], chain: str, answer: str) -> Demonstration:
    return Demonstration(question, chain, answer, choices, "choice")


def _formula(question: str, chain: str, answer: str) -> Demonstration:
    return Demonstration(question, chain, answer, kind="expression")


def _words(question: str, chain: str, answer: str) -> Demonstration:
    return Demonstration(question, chain, answer, kind="text")


DEMONSTRATIONS = (
    _number(
        "A bakery packs 9 rolls into each bag. It fills 14 bags and has 5 rolls left. How many rolls did it bake?",
        "The bags hold 14 * 9 = 126 rolls. With the 5 that are left that is 126 + 5 = 131 rolls.",
        "131",
    ),
    _number(
        "Tarek had 80 marbles. He gave 23 to his sister and found 6 more, which were blue. How many does he have now?",
        "After giving 23 away he has 80 - 23 = 57 marbles. Finding 6 more makes 57 + 6 = 63. Their colour "
        "does not matter.",
        "63",
    ),
    _number(
        "A choir of 45 singers stands in 5 equal rows. Two whole rows go home. How many singers are left?",
        "Each row has 45 / 5 = 9 singers. Two rows are 2 * 9 = 18 singers. So 45 - 18 = 27 are left.",
        "27",
    ),
    _number(
        "Mila buys 3 pens at $4 each and a book for $11. She pays with $50. How many dollars does she get back?",
        "The pens cost 3 * 4 = 12 dollars. With the book that is 12 + 11 = 23 dollars. She gets 50 - 23 = 27 "
        "dollars back.",
        "27",
    ),
    _number(
        "A tank holds 360 litres. A pump adds 15 litres a minute for 8 minutes. How many litres are missing "
        "until it is full, "
        "if it was empty at first?",
        "The pump adds 15 * 8 = 120 litres. Until the tank is full, 360 - 120 = 240 litres are missing.",
        "240",
    ),
    _number(
        "Four friends share 52 stickers equally. One of them then gives away 4 of hers. How many does she keep?",
        "Each friend gets 52 / 4 = 13 stickers. After giving away 4 she keeps 13 - 4 = 9.",
        "9",
    ),
    _choice(
        "Where would you most likely put a letter that you want to send?",
        ("kitchen sink", "mailbox", "bookshelf", "lamp", "garden bed"),
        "A letter that is to be sent must be picked up by the post. The post collects letters from a mailbox.",
        "B",
    ),
    _choice(
        "Jo rolled the same ball over grass and over a smooth floor. Where did the ball roll further?",
        ("grass", "floor"),
        "Grass is rough and slows a ball by friction. A smooth floor has less friction, so the ball rolls "
        "further on it.",
        "B",
    ),
    _choice(
        "Which of these melts when it is left in the sun on a warm day?",
        ("a chocolate bar", "a stone", "an iron nail", "a glass cup"),
        "Warmth from the sun heats what lies in it. Chocolate melts at a little over room temperature; stone, "
        "iron and glass "
        "do not.",
        "A",
    ),
    _choice(
        "Nadia's tea is hotter than Omar's. Whose tea takes longer to become cool?",
        ("Nadia's", "Omar's"),
        "What is hotter has more heat to lose. Nadia's tea is hotter, so it takes longer to become cool.",
        "A",
    ),
    _choice(
        "What does a person who is very tired usually need most?",
        ("a louder radio", "sleep", "a ladder", "new shoes", "an umbrella"),
        "Being tired means that the body wants rest. Sleep is how a person rests; the other things give no rest.",
        "B",
    ),
    _choice(
        "The heavier cart and the lighter cart were pushed equally hard. Which one gained more speed?",
        ("the heavier cart", "the lighter cart"),
        "With the same push, a thing with less mass speeds up more. The lighter cart has less mass, so it "
        "gained more speed.",
        "B",
    ),
    _formula(
        "Solve for $x$: $3x - 7 = 11$.",
        "Adding 7 to both sides gives $3x = 18$. Dividing by 3 gives $x = 6$.",
        "$6$",
    ),
    _formula(
        "What is $\\frac{2}{3} + \\frac{1}{4}$?",
        "The common denominator is 12, so this is $\\frac{8}{12} + \\frac{3}{12} = \\frac{11}{12}$.",
        "$\\frac{11}{12}$",
    ),
    _formula(
        "Expand $(x + 2)(x - 5)$.",
        "Multiplying each term gives $x^2 - 5x + 2x - 10$. Putting like terms together gives $x^2 - 3x - 10$.",
        "$x^2 - 3x - 10$",
    ),
    _formula(
        "A right triangle has legs 5 and 12. How long is its hypotenuse?",
        "By the theorem of Pythagoras it is $\\sqrt{5^2 + 12^2} = \\sqrt{169} = 13$.",
        "$13$",
    ),
    _words(
        "Today is Thursday. What day will it be in ten days?",
        "Seven days from a Thursday it is Thursday again. Three days later it is Sunday.",
        "Sunday",
    ),
    _words(
        "Write the last letters of the words `river` and `stone`, one after the other.",
        "The last letter of `river` is r. The last letter of `stone` is e. Together they are re.",
        "re",
    ),
    _words(
        "Ines is taller than Paul, and Paul is taller than Ruth. Who is the shortest?",
        "Ines is above Paul and Paul is above Ruth. So Ruth is below both of them.",
        "Ruth",
    ),
    _words(
        "A coin shows heads. It is turned over twice. Which side does it show?",
        "Turned over once, it shows tails. Turned over again, it shows heads.",
        "heads",
    ),
)  # fmt: skip

assert {shown.kind for shown in DEMONSTRATIONS} == set(get_args(Kind)), "every kind of problem has demonstrations"
