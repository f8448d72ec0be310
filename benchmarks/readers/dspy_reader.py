"""Has DSPy take a run of ours: its Evaluate with our metric, its optimizers with our examples; prints one JSON line."""

import json
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dspy

import stepdown as sd
from stepdown.exchange import dspy_examples, dspy_metric, export_run

SUMS = [(f"What is {n} plus {n}?", str(2 * n)) for n in range(1, 9)]


class Scripted(dspy.BaseLM):  # type: ignore[misc]
    """Answers the last question of a prompt, the first three right, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(model="scripted")
        self.asked: list[str] = []

    def forward(self, prompt: str | None = None, messages: Sequence[dict[str, Any]] = (), **_: Any) -> SimpleNamespace:
        text = "\n".join(str(one["content"]) for one in messages)
        self.asked.append(text)
        _, answer = max(SUMS, key=lambda one: text.rfind(one[0]))
        said = f"It is ${answer}.00." if int(answer) < 7 else "I do not know."
        content = f"[[ ## reasoning ## ]]\nAdd.\n\n[[ ## answer ## ]]\n{said}\n\n[[ ## completed ## ]]"
        message = SimpleNamespace(content=content, role="assistant", tool_calls=None)
        choice = SimpleNamespace(message=message, index=0, finish_reason="stop")
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return SimpleNamespace(choices=[choice], usage=usage, model="scripted")


def made(folder: Path) -> sd.Run:
    """Return a run of eight sums of which the student has the last four wrong."""
    problems = [sd.Problem(f"sums/{n}", question, answer) for n, (question, answer) in enumerate(SUMS)]

    def solve(messages: Sequence[sd.Message], sampling: sd.Sampling, sample: int) -> str:
        place = next(n for n, (question, _) in enumerate(SUMS) if question in messages[-1].content)
        return f"Twice it.\nAnswer: {SUMS[place][1] if place < 4 else 0}"

    student = sd.ScriptedModel(solve)
    return sd.run(problems, "direct", student=student, store=sd.Store(folder / "s.sqlite"))


def main() -> int:
    warnings.simplefilter("ignore")
    lm = Scripted()
    dspy.configure(lm=lm)
    with tempfile.TemporaryDirectory() as folder:
        run = made(Path(folder))
        examples = dspy_examples(run)
        export_run(run, "dspy", Path(folder) / "out.jsonl")
        lines = (Path(folder) / "out.jsonl").read_text("utf-8").splitlines()
        same = [dspy.Example(json.loads(line)).with_inputs("question").toDict() for line in lines]
    assert same == [one.toDict() for one in examples] and len(examples) == len(SUMS)
    program = dspy.ChainOfThought("question -> answer")
    evaluate = dspy.Evaluate(devset=examples, metric=dspy_metric(), num_threads=2, display_progress=False)
    score = evaluate(program).score
    assert score == 37.5, score
    labelled = dspy.LabeledFewShot(k=8).compile(program, trainset=examples)
    labelled(question="What is 1 plus 1?")
    # A problem solved wrongly is no complete demonstration: only right solutions are shown as reasoning.
    assert lm.asked[-1].count("Twice it.") == 4, lm.asked[-1]
    boot = dspy.BootstrapFewShot(metric=dspy_metric(), max_bootstrapped_demos=3, max_labeled_demos=0)
    demos = boot.compile(program, trainset=examples).predictors()[0].demos
    assert [one["answer"] for one in demos] == ["It is $2.00.", "It is $4.00.", "It is $6.00."], demos
    did = "Evaluate with our metric 3 of 8; LabeledFewShot showed 4 right solutions; BootstrapFewShot kept 3"
    print(json.dumps({"ok": True, "version": dspy.__version__, "did": did}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
