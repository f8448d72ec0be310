"""Ways in which models write an answer down, each with a slot for it: what a grader should read whatever it holds.

A form is tried with the gold, where every grader should say right, and with another answer, where none should. `LINES`
go with every kind; the others are prose of one kind, told about a working that comes to the right answer or not.
"""

from collections.abc import Iterator

import msgspec

from stepdown.types import Kind, Problem

# By style: an answer line, a box, a mark, a tag, JSON, emphasis, prose.
LINES: tuple[tuple[str, str], ...] = (
    ("line", "Answer: {}"),
    ("line", "Answer: {}."),
    ("line", "answer: {}"),
    ("line", "ANSWER: {}"),
    ("line", "Answer:\n{}"),
    ("line", "Final answer: {}"),
    ("line", "Final Answer: {}."),
    ("line", "The final answer is {}."),
    ("line", "The answer is {}."),
    ("line", "The answer is: {}"),
    ("line", "So the answer is {}."),
    ("line", "Therefore, the answer is {}."),
    ("line", "The correct answer is {}."),
    ("line", "My answer is {}."),
    ("line", "Answer = {}"),
    ("line", "Answer: ${}$"),
    ("line", "Answer: \\({}\\)"),
    ("line", "The answer is: {}. I hope it is correct."),
    ("line", "Answer: {}<|im_end|>"),
    ("line", "- Answer: {}"),
    ("line", "### Answer\n{}"),
    ("line", "### Final answer: {}"),
    ("mark", "#### {}"),
    ("mark", "####{}"),
    ("box", "\\boxed{{{}}}"),
    ("box", "$\\boxed{{{}}}$"),
    ("box", "\\[\\boxed{{{}}}\\]"),
    ("box", "The answer is $\\boxed{{{}}}$."),
    ("box", "So we get \\fbox{{{}}}."),
    ("box", "**Final Answer**\n$$\\boxed{{{}}}$$"),
    ("box", "Answer: \\boxed{{{}}}"),
    ("box", "Therefore $\\boxed{{{}}}$, which we check against 3 and 9."),
    ("box", "\\boxed{{\\text{{{}}}}}"),
    ("emphasis", "**Answer: {}**"),
    ("emphasis", "**Answer:** {}"),
    ("emphasis", "**Answer**: {}"),
    ("emphasis", "Answer: **{}**"),
    ("emphasis", "Answer: *{}*"),
    ("emphasis", "Answer: `{}`"),
    ("emphasis", 'Answer: "{}"'),
    ("emphasis", "The answer is **{}**."),
    ("emphasis", "_Answer: {}_"),
    ("emphasis", "Answer: [{}]"),
    ("emphasis", "Answer: ({})"),
    ("tag", "<answer>{}</answer>"),
    ("tag", "<answer> {} </answer>"),
    ("tag", "<think>9 or 3?</think>\n<answer>{}</answer>"),
    ("tag", "Answer: <b>{}</b>"),
    ("tag", "<final_answer>{}</final_answer>"),
    ("json", '{{"answer": "{}"}}'),
    ("json", '{{"reasoning": "on the 15th of 30 days", "answer": "{}"}}'),
    ("json", '```json\n{{"answer": "{}"}}\n```'),
    ("json", '{{"final_answer": "{}"}}'),
    ("unicode", "答案是{}。"),
    ("unicode", "所以正确答案是{}。"),
    ("unicode", "答えは{}です。"),
    ("unicode", "Answer\N{FULLWIDTH COLON} {}"),
    ("unicode", "La réponse est : {}\nAnswer: {}"),
    ("unicode", "\N{WHITE HEAVY CHECK MARK} Answer: {}"),
    ("after", "Answer: {}\n\nLet me know if you have 2 more questions!"),
    ("after", "#### {}\n\nQuestion: What is 5 + 5?\nAnswer: 10"),
    ("after", "Answer: {}\n\n(Check: 3 of 9 are left.)"),
    ("after", "The answer is {}, since nothing else fits."),
)
PROSE: tuple[tuple[Kind, str], ...] = (
    ("number", "So she has {} eggs left."),
    ("number", "She sells 20 - 2 = {} eggs."),
    ("number", "In total: 20 - 2 = {}."),
    ("number", "Hence she makes ${} a day."),
    ("number", "That leaves {} of the 20 eggs."),
    ("number", "x = {}"),
    ("number", "Dividing by 10 gives us {}."),
    ("number", "She needs {} eggs on the 3rd day."),
    ("expression", "Hence $x = {}$."),
    ("expression", "So the value is ${}$."),
    ("expression", "We conclude that $y = 3 + 4 = {}$."),
    ("expression", "This simplifies to $${}$$"),
    ("expression", "Thus, the result is \\({}\\)."),
    ("choice", "{} is correct."),
    ("choice", "Option {} is correct."),
    ("choice", "I choose {}."),
    ("choice", "({})"),
    ("choice", "{})"),
    ("choice", "So it is choice {}."),
    ("choice", "The best option is ({})."),
    ("choice", "It cannot be D, so it must be {}."),
    ("text", "So it was {}."),
    ("text", "{}"),
    ("text", "{}."),
    ("text", "It is {}."),
)
# Question, gold, another answer, choices.
ITEMS: dict[Kind, tuple[tuple[str, str, str, tuple[str, ...]], ...]] = {
    "number": (
        ("How many eggs does she have left?", "18", "17", ()),
        ("How many dollars does she make?", "1,250", "1,205", ()),
        ("What part of the eggs is left?", "3/4", "4/3", ()),
        ("How many litres are left?", "0.75", "7.5", ()),
    ),
    "expression": (
        ("What is the value of $x$?", "\\frac{3}{4}", "\\frac{4}{3}", ()),
        ("Find the point.", "(3, -4)", "(-4, 3)", ()),
        ("Simplify.", "2\\sqrt{5}", "5\\sqrt{2}", ()),
        ("Find the interval.", "[-2,7)", "(-2,7]", ()),
        ("Expand.", "x^2+2x+1", "x^2-2x+1", ()),
    ),
    "choice": (
        ("What is seen at night?", "B", "A", ("sun", "moon", "rain", "sand")),
        ("Where is milk kept?", "C", "D", ("oven", "desk", "fridge", "car")),
    ),
    "text": (
        ("Is the coin heads up?", "yes", "no", ()),
        ("Which city is it?", "Paris", "London", ()),
        ("Which day is it?", "Monday", "Sunday", ()),
    ),
}
WORKING = "There are 20 in the beginning, of which 3 and then 9 are looked at. We go on step by step.\n\n"


class Case(msgspec.Struct, frozen=True):
    """One solution in one form: whether it is right."""

    style: str
    problem: Problem
    solution: str
    right: bool


def cases() -> Iterator[Case]:
    """Yield every form with every answer of every kind that it goes with, right and wrong."""
    for kind, items in ITEMS.items():
        prose = [("prose", form) for of, form in PROSE if of == kind]
        for style, form in [*LINES, *prose]:
            for question, gold, other, choices in items:
                problem = Problem(f"forms/{kind}", question, gold, choices, kind)
                for answer, right in ((gold, True), (other, False)):
                    yield Case(style, problem, WORKING + form.format(*[answer] * form.count("{}")), right)


def count() -> int:
    """Return how many forms there are, each counted for each kind that it goes with."""
    return len(LINES) * len(ITEMS) + len(PROSE)
