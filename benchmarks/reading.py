"""How long readers take on hostile texts of 100 kB and of 1 MB: each must be linear.

python benchmarks/reading.py [--json]     one row per reader: its slowest text; exit code 1 if any is not linear

All texts are read at 100 kB, and of each reader the slowest four at 1 MB: what grows faster is slow by then.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial

from stepdown.answers import canonical, conclusion, explicit, final_line, number, plain_text, same_expression
from stepdown.answers.figures import figures
from stepdown.answers.leaks import leak
from stepdown.answers.unwrapping import sweep, unwrapped
from stepdown.types import Kind, Plan, Problem

SMALL, LARGE = 100_000, 1_000_000
# Ten times the text may take ten times as long, and what a busy machine adds; less than this is not measured.
MOST, FLOOR = 25.0, 0.25
SLOWEST = 4
UNITS = (
    "1 hour and 5 minutes, ", "9", "1,", "1 ", "1/", "-", "$", "½", "\\frac", "one hundred ", "five and ", "3:", "一",
    "\\boxed{", "\\boxed{1}", "Answer: ", "Answer: 5\n", "#### 5\n", "<answer>", "<answer>5</answer>", "[ANSWER]",
    '{"answer": "', '"answer": 5, ', "the answer is ", "答案是", "answer (", "A or ", "(A) ", "A, ", "not ", "Yes. ",
    "because ", "If ", "wait ", "Step 1: ", "Question: ", "\n\nQ: ", "a\nQ: b\n", "</think>", "<|im_end|>", "\x1b[",
    "\x1b]", "$$", "\\[", "```", "\\begin{a}", "[asy]", "**", "</b>", "\\text{", "(", "{", ". ", "\n", " ", "a",
)  # fmt: skip
KINDS: tuple[Kind, ...] = ("number", "expression", "choice", "text")
CHOICES = ("red", "blue", "green")


def readers() -> dict[str, Callable[[str], object]]:
    """Return every reader by name."""
    found: dict[str, Callable[[str], object]] = {f"conclusion, {kind}": partial(_conclude, kind) for kind in KINDS}
    found |= {f"explicit, {kind}": partial(_mark, kind) for kind in KINDS}
    return found | {
        "number": number, "figures": figures, "plain_text": plain_text, "final_line": final_line, "sweep": sweep,
        "unwrapped": unwrapped, "canonical": canonical, "leak of a plan": _leak,
        "same_expression": lambda text: same_expression(text, text[1:]),
    }  # fmt: skip


def _conclude(kind: Kind, text: str) -> object:
    return conclusion(text, kind, CHOICES, question="How many eggs does she sell?")


def _mark(kind: Kind, text: str) -> object:
    return explicit(text, kind, CHOICES)


def _leak(text: str) -> object:
    return leak(Problem("p", "How many eggs does she sell?", "63"), Plan(text, "teacher"))


def seconds(read: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    read(text)
    return time.process_time() - began


def slowest(read: Callable[[str], object]) -> dict[str, object]:
    """Return the text that takes a reader longest, and by how much ten times the text takes longer at worst."""
    small = {unit: seconds(read, unit * (SMALL // len(unit))) for unit in UNITS}
    slow = sorted(UNITS, key=lambda unit: -small[unit])[:SLOWEST]
    took = {unit: seconds(read, unit * (LARGE // len(unit))) for unit in slow}
    ratios = {unit: took[unit] / small[unit] if took[unit] > FLOOR else 0.0 for unit in slow}
    worst, steepest = max(took, key=took.__getitem__), max(ratios, key=ratios.__getitem__)
    ratio = ratios[steepest]
    return {"text": worst, "seconds": round(took[worst], 3), "ratio": round(ratio, 1), "linear": ratio <= MOST}


def main() -> int:
    linear = True
    for name, read in readers().items():
        row = slowest(read)
        linear = linear and bool(row["linear"])
        if "--json" in sys.argv:
            print(json.dumps({"bench": "reading", "reader": name, **row}), flush=True)
        else:
            print(f"{name:<24} {row['seconds']:>7} s for 1 MB of {row['text']!r:<24} x{row['ratio']}", flush=True)
    return 0 if linear else 1


if __name__ == "__main__":
    sys.exit(main())
