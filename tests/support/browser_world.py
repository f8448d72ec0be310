"""The folder that browser tests serve: sums with one bad plan, a hostile run, a corpus; and the models behind them."""

import re
from pathlib import Path
from threading import Event

import stepdown as sd
from command_line import write_sums
from corpora import write_corpus
from faulty_server import Body
from stepdown.corpus import Card
from stepdown.store import Store
from stepdown.types import Chain, Grade, Problem

BAD = (2, 4)
PAYLOADS = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<a href=\"javascript:document.title='owned'\">press</a>",
    "![beacon](http://198.51.100.7/beacon.png)",
    "\\(\\def\\x{\\x\\x}\\x\\) \\(\\href{javascript:document.title='owned'}{press}\\) \\(\\rule{9999em}{9999em}\\)",
    "{{ 7 * 7 }} ${7 * 7} </textarea></pre><svg onload=\"document.title='owned'\">",
)
HOSTILE = "\n".join(PAYLOADS) + "\nAnswer: 1"
CONFIG = '[datasets.sums]\ndataset = "sums.jsonl"\n'


class Players:
    """The models behind the endpoint. `slow` answers once `gate` is open, `hostile` with all that may do harm."""

    def __init__(self) -> None:
        self.gate = Event()

    def speak(self, body: Body) -> str:
        """Write a plan that is wrong for some problems, as a teacher; follow the plan that is there, as a student."""
        said = body["messages"][-1]["content"]
        if body["model"] == "hostile":
            return HOSTILE
        if body["model"] == "slow":
            self.gate.wait(60)
        found = re.search(r"What is (\d+) plus one", said)
        assert found, "every other question is of this kind"
        number = int(found[1])
        if body["model"] == "teacher":
            return f"1. Take the number.\n2. Add {'two' if number in BAD else 'one'} to it."
        return f"Answer: {number + (2 if 'Add two' in said else 1)}"


def make_world(folder: Path) -> None:
    """Fill a folder with what is served: problems, a configuration, two runs in a store, and a corpus."""
    write_sums(6, folder)
    (folder / "stepdown.toml").write_text(CONFIG)
    problems = [Problem(f"odd/{number}", f"Odd {number}? {HOSTILE}", "1") for number in range(2)]
    with Store(folder / "world.sqlite") as store:
        for name in ("hostile", "other"):
            model = sd.ScriptedModel(lambda messages, sampling, sample: HOSTILE, f"openai/{name}")
            sd.run(problems, "trace-of-thought", student=model, teacher=model, store=store)
    chains = (_chain(number, sample) for number in range(5) for sample in range(4))
    write_corpus(folder / "pears", chains, card=Card(dataset="made/train", licence="CC0", origin=HOSTILE))


def _chain(number: int, sample: int) -> Chain:
    problem = Problem(f"made/train/{number}", f"Ann has {number} pears and buys 1. How many?", str(number + 1))
    grade = Grade("right" if sample else "wrong", str(number + 1 + (not sample)), "the last word", "last-word@1")
    text = HOSTILE if (number, sample) == (0, 1) else f"{number} and 1, draw {sample}.\nAnswer: {grade.found}"
    return Chain(problem, text, "big", sample, grade, -0.25, 12)
