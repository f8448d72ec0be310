"""A model in this process: the file as it is against OpenVINO's own format, in turns in one run; and their answers.

Run: python benchmarks/embedded.py [--quick] [--model qwen2.5-coder-0.5b] [--json]: tokens per second at 1, 8 and 32 at
once, of the wall clock and of each second of processor time (which other work on the machine moves less), and seconds
to load. "before" is the GGUF file as it is, with log-probabilities for every reply, "now" the form that is chosen
without STEPDOWN_ENGINE. Reading of the prompts is included; the best of several rounds counts. --quick leaves out the
load of the 1.5B and takes two rounds.

python benchmarks/embedded.py --answers PROBLEMS [--limit 100] [--store FILE] asks both forms, and int8 in float32 where
"now" computes in bfloat16, the same problems (a name such as wordsums, or a file) by chain-of-thought and reports them
in pairs; the same command goes on after a kill. `--forms before now` asks these two alone.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

import stepdown as sd
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.loading import load_embedded
from stepdown.types import Message, Messages, Sampling

BARS = {1: 1.4, 8: 2.0, 32: 1.5}
LOAD_BAR, LOADED = 4.0, "qwen2.5-coder-1.5b"
FORMS = {"before": "openvino-gguf", "now": "openvino"}
ASKED = {**FORMS, "float32": "openvino-int8"}
TOKENS = 64


def prompts_for(count: int) -> list[Messages]:
    question = "Tell a long story about {0} boxes with {1} apples in each box, and about who ate them."
    return [(Message("user", question.format(n + 3, n + 4)),) for n in range(count)]


async def ask_all(model: EmbeddedModel, count: int, tokens: int) -> int:
    """Write `count` replies at once; return the tokens written."""
    sampling = Sampling(max_tokens=tokens)
    replies = await asyncio.gather(*(model.reply(prompt, sampling) for prompt in prompts_for(count)))
    return sum(reply.usage.output for [reply] in replies if reply.usage)


async def measure(models: dict[str, EmbeddedModel], rounds: int, tokens: int) -> list[dict[str, Any]]:
    """Measure the forms in turns, so that a busy neighbour slows both alike."""
    rows = []
    for count, bar in BARS.items():
        best = {form: [0.0, 0.0] for form in models}
        for _ in range(rounds):
            for form, model in models.items():
                started, spent = time.perf_counter(), time.process_time()
                written = await ask_all(model, count, tokens)
                rates = written / (time.perf_counter() - started), written / (time.process_time() - spent)
                best[form] = [max(pair) for pair in zip(best[form], rates, strict=True)]
        (before, before_cpu), (now, now_cpu) = best["before"], best["now"]
        row = {"at_once": count, "before": before, "now": now, "ratio": now / before, "bar": bar}
        rows.append({**row, "ratio_cpu": now_cpu / before_cpu, "met": now / before >= bar})
    return rows


def seconds_to_load(name: str, form: str) -> float:
    model = load_embedded(name, engine=form)
    started = time.perf_counter()
    asyncio.run(model.prepare())
    took = time.perf_counter() - started
    asyncio.run(model.close())
    return took


def loads(name: str, rounds: int) -> dict[str, Any]:
    """Return the least seconds to load each form; the first load of each converts what is not converted yet."""
    for form in FORMS.values():
        seconds_to_load(name, form)
    found = {form: min(seconds_to_load(name, engine) for _ in range(rounds)) for form, engine in FORMS.items()}
    bar: dict[str, Any] = {"bar": LOAD_BAR, "met": found["now"] <= LOAD_BAR} if name == LOADED else {}
    return {"load": name, **found, "ratio": found["before"] / found["now"], **bar}


def answers(options: argparse.Namespace) -> None:
    """Ask the forms the same problems and print the report of the pairs; two that are the same are asked once."""
    runs = dict[str, sd.Run]()
    sampling = sd.Sampling(max_tokens=options.max_tokens)
    for count in sorted({min(50, options.limit), options.limit}):
        for form in options.forms:
            taken = sd.load_problems(options.answers, limit=count)
            student = load_embedded(options.model, engine=ASKED[form])
            runs[form] = sd.run(taken, "chain-of-thought", student=student, store=options.store, sampling=sampling)
        others = {run.id: run for run in runs.values() if run.id != runs["before"].id}
        print(sd.report(*others.values(), baseline=runs["before"]), flush=True)


def show(rows: list[dict[str, Any]], model: str, tokens: int) -> None:
    print(f"{model}, {tokens} tokens a reply; before: the GGUF file as it is")
    for row in rows:
        bar = f"   bar {row['bar']}: {'met' if row['met'] else 'MISSED'}" if "bar" in row else ""
        if "load" in row:
            what = f"load of {row['load']}, s"
            print(f"{what:32}{row['before']:9.1f}{row['now']:9.1f}   x {row['ratio']:.2f}{bar}")
        else:
            what = f"tokens/s, {row['at_once']} at once"
            cpu = f"   (of processor time x {row['ratio_cpu']:.2f})"
            print(f"{what:32}{row['before']:9.1f}{row['now']:9.1f}   x {row['ratio']:.2f}{bar}{cpu}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true", help="one object per line")
    parser.add_argument("--answers", metavar="PROBLEMS", default="")
    parser.add_argument("--forms", nargs="+", choices=ASKED, default=list(ASKED), help="which to ask; `before` is one")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--max-tokens", type=int, default=320)
    parser.add_argument("--store", default=str(Path("embedded-answers.sqlite")))
    options = parser.parse_args()
    if options.answers:
        if "before" not in options.forms:
            parser.error("--forms: `before` is what the others are compared with")
        answers(options)
        return
    tokens = TOKENS // 2 if options.quick else TOKENS
    rows = [loads(options.model if options.quick else LOADED, 1 if options.quick else 2)]
    models = {
        form: load_embedded(options.model, engine=engine, logprobs=form == "before") for form, engine in FORMS.items()
    }
    rows += asyncio.run(measure(models, 2 if options.quick else 3, tokens))
    for model in models.values():
        asyncio.run(model.close())
    if options.json:
        for row in rows:
            print(json.dumps({"benchmark": "embedded", "model": options.model, "tokens": tokens, **row}))
    else:
        show(rows, options.model, tokens)


if __name__ == "__main__":
    main()
