"""What a step of on-policy distillation takes: reading the prompts, drawing texts, and a teacher that reads them.

python benchmarks/on_policy.py [BASE [TEACHER]] [--rows 8] [--passes 3] [--tokens 48] [--json]

Seconds of the scores after `rows` prompts in bf16, of a slice (before) and of an index (now). Then of as many draws of
`tokens` tokens, by as many batches as a step has `passes` (before) and by one (now). Then of the teacher's
log-probabilities of these in fp32 (before) and in bf16 (now, where the student computes in it), and by how many nats a
token the two differ: mean and largest. In one process, in turn.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from rows import print_row

from stepdown.models.local import Base, find_base, last_place, load_base
from stepdown.problems import load_problems
from stepdown.training import Training
from stepdown.training.attention import use_block_diagonal_attention
from stepdown.training.laid_rows import lay_rows
from stepdown.training.model_setup import adapted
from stepdown.training.precision import computing
from stepdown.training.scoring_teachers import LocalTeacher
from stepdown.training.writing import answering, write_draws


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return round(time.perf_counter() - start, 2), found


def prompts_for(base: Base, count: int) -> list[list[int]]:
    problems = [one for one, _ in zip(load_problems("wordsums"), range(count), strict=False)]
    return [base.tokenizer(one.question)["input_ids"] for one in problems]


def drawing(base: Base, prompts: Sequence[list[int]], passes: int, tokens: int) -> tuple[dict[str, float], Any]:
    """Time what a step's prompts take to be read, and its draws, split as its passes and whole."""
    training = Training(precision="bf16")
    model = adapted(base.model, training)
    use_block_diagonal_attention(model)
    # As good as never drawn, so that every draw is as long as all others.
    end = model.config.get_text_config().vocab_size - 1

    def draw(groups: Sequence[Sequence[list[int]]]) -> list[list[int]]:
        with computing(model, training), answering(model):
            return [text for some in groups for text in write_draws(model, some, longest=tokens, end=end)]

    reading = {}
    longest = max(map(len, prompts))
    rows = torch.tensor([prompt + [0] * (longest - len(prompt)) for prompt in prompts])
    for way, kept in (("before", 1), ("now", last_place(model.device))):
        with computing(model, training), answering(model):
            reading[f"read_{way}_s"], _ = timed(lambda kept=kept: model(input_ids=rows, logits_to_keep=kept))
    draw([prompts[:1]])
    before, _ = timed(lambda: draw([prompts[place::passes] for place in range(passes)]))
    now, texts = timed(lambda: draw([prompts]))
    return reading | {"draw_before_s": before, "draw_now_s": now}, texts


def scoring(name: str, prompts: Sequence[list[int]], texts: Sequence[list[int]]) -> dict[str, float]:
    """Time a teacher that reads the draws, in fp32 and in bf16."""
    laid, row, found = lay_rows(prompts, texts), {}, []
    for way, bf16 in (("before", False), ("now", True)):
        teacher = LocalTeacher(find_base(name), torch.device("cpu"), bf16=bf16)
        teacher.logprobs(lay_rows(prompts[:1], texts[:1]))
        row[f"score_{way}_s"], scores = timed(lambda teacher=teacher: teacher.logprobs(laid))
        found.append(scores)
    apart = (found[0] - found[1]).abs()
    return row | {"apart_mean": round(float(apart.mean()), 4), "apart_most": round(float(apart.max()), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", nargs="?", default="smollm2-135m")
    parser.add_argument("teacher", nargs="?", default="")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    base, teacher = load_base(find_base(options.base), bf16=True), options.teacher or options.base
    prompts = prompts_for(base, options.rows)
    drawn, texts = drawing(base, prompts, options.passes, options.tokens)
    row = {"base": options.base, "teacher": teacher} | drawn | scoring(teacher, prompts, texts)
    print_row(row, as_json=options.json)


if __name__ == "__main__":
    main()
