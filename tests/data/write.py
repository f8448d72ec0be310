"""Writes what a version of stepdown leaves behind, for later versions to read.

    git worktree add --detach OLD COMMIT
    PYTHONPATH=OLD/src:OLD/tests/support python tests/data/write.py tests/data/written_by_COMMIT

(`OLD/tests` where the helpers of tests still lay there.) Everything but what people did and what a program asked goes
through the command line. The models behind it are a server at port 9 of this machine, which only root may open and
where nothing listens otherwise: what is asked again later fails. `ids.json.gz` holds the commands with what they
printed, what the endpoint answered, and every call's key. A folder that is there is never written anew.
`written_by_0_1_0` was written by an earlier form of this file (`git log --follow` shows it), with a part of the
commands; `written_by_7067128` by this one.
"""

import gzip
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

PORT = 9
SUMS = "sums.jsonl"
STEPS = "1. Take the number.\n2. Add one to it.\n"
TRACED = ("--method", "trace-of-thought", "--student", "openai/student")
PLANNED = (*TRACED, "--teacher", "openai/teacher")
ENVIRONMENT = {
    "OPENAI_BASE_URL": f"http://127.0.0.1:{PORT}/v1", "OPENAI_API_KEY": "none", "STEPDOWN_STORE": "store.sqlite",
    "STEPDOWN_ENGINE": "transformers", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1",
}  # fmt: skip


SERVED = """\
[models.solver]
method = "trace-of-thought"
teacher = "openai/teacher"
student = "openai/student"
max_tokens = 128

[models.careful]
method = "trace-of-thought"
planner = "openai/small"
teacher = "openai/teacher"
student = "openai/student"
votes = 3
threshold = 0.7
"""


class Models(BaseHTTPRequestHandler):
    """A teacher, a student, a judge and a `weak` student who fails at one problem and is cut off at another."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
        found = re.search(r"What is (\d+) plus one", said)
        number = int(found[1]) if found else 0
        if body["model"] == "weak" and number == 2:
            wrong = {"message": "maximum context length is 4096 tokens", "code": "context_length_exceeded"}
            return self._send(400, {"error": wrong})
        texts = [self._speak(body, said, number, draw) for draw in range(body.get("n", 1))]
        cut = body["model"] == "weak" and number == 3
        choices = [
            {"index": place, "finish_reason": "length" if cut else "stop",
             **({"message": {"role": "assistant", "content": text}} if "messages" in body else {"text": text})}
            for place, text in enumerate(texts)
        ]  # fmt: skip
        usage = {"prompt_tokens": len(said.split()), "completion_tokens": sum(len(text.split()) for text in texts)}
        if body.get("stream"):
            return self._stream(texts[0], usage, broken=number == 5)
        self._send(200, {"model": body["model"] + "-1", "choices": choices, "usage": usage})

    def _stream(self, text: str, usage: dict, *, broken: bool) -> None:
        events = [{"choices": [{"index": 0, "delta": {"content": text}}]}]
        events += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": usage}]
        lines = [json.dumps(event) for event in events[: 1 if broken else 3]]
        raw = "".join(f"data: {line}\n\n" for line in [*lines, *(() if broken else ("[DONE]",))]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _speak(self, body: dict, said: str, number: int, draw: int) -> str:
        if "A, B or tie" in said:
            return "A" if number % 2 else "tie"
        if "Reply with one word" in said:
            return "WRONG" if "never" in said else "RIGHT"
        if body["model"] == "teacher" and ("plan" in said.lower() or "prompts for" in said):
            return STEPS if number != 1 else "1. Take the number.\n2. Never mind.\n3. Do not solve it yet.\n"
        seed = body.get("seed") or 0
        answer = number + 1 + ((seed + draw + number) % 3 == 2 if body.get("temperature") else number == 4)
        how = "By the plan we" if "Add one to it" in said else "We"
        return f"{how} take {number} and add one, {seed + draw}.\nAnswer: {answer}"

    def _send(self, status: int, body: dict) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Told:
    """Runs commands and keeps them with what they printed."""

    def __init__(self) -> None:
        self.rows: list[dict] = []

    def run(self, *words: str, again: bool = True) -> list[dict]:
        """Run a command that prints JSON; `again` says that a repetition is to ask nobody and print the same ids."""
        done = subprocess.run(
            [sys.executable, "-m", "stepdown", *words, "--json"],
            env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        print(done.returncode, *words)
        assert done.returncode in (0, 1), done.stderr
        said = [json.loads(line) for line in done.stdout.splitlines()]
        self.rows.append({"command": words, "again": again, "said": said})
        return said


def write_files() -> None:
    """Write the problems, a prompt set and the steps of an edit."""
    rows = [{"question": f"What is {n} plus one?", "answer": str(n + 1)} for n in range(6)]
    Path(SUMS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    choices = [{"question": "Which is a colour?", "choices": ["Red", "Seven", "Loud"], "answer": "A"},
               {"question": "Which is a number?", "choices": ["Red", "Seven", "Loud"], "answer": "B"}]  # fmt: skip
    Path("choices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in choices))
    words = {name: "{question}\n\n{ending}" for name in ("direct", "chain_of_thought", "plan_and_solve")}
    words |= {"name": "mine", "source": "ours", "delegate": "Make a plan: {question}", "follow": "{question}\n{steps}"}
    Path("mine.toml").write_text("".join(f"{name} = {json.dumps(text)}\n" for name, text in words.items()))
    shown = [
        {"question": f"What is {n} plus two?", "chain": f"Take {n}. Add two.", "answer": f"{n + 2}"} for n in (7, 8)
    ]
    Path("shown.jsonl").write_text("".join(json.dumps(row) + "\n" for row in shown))
    chats = [{"messages": [{"role": "user", "content": f"What is {n} plus 3?"},
                           {"role": "assistant", "content": f"Take {n}. Answer: {n + 3}"}]}
             for n in range(4)]  # fmt: skip
    Path("chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chats))
    Path("prices.json").write_text(json.dumps({f"openai/{name}": {"input": 1, "output": 2} for name in
                                               ("student", "teacher", "weak", "small", "judge")}))  # fmt: skip
    Path("stepdown.toml").write_text(SERVED)
    Path("steps.txt").write_text("Take the number.\nCount one further.\n")


def write_runs(told: Told) -> dict[str, str]:
    """Run methods, plans, controls, prompt sets, samples and failures; return some of the runs' ids."""
    methods = [word for name in ("direct", "chain-of-thought", "plan-and-solve") for word in ("--method", name)]
    told.run("run", SUMS, *methods, "--student", "openai/student")
    [first] = told.run("run", SUMS, *PLANNED)
    told.run("run", SUMS, *TRACED, "--plans", "own")
    told.run("run", "wordsums", "-n", "3", *TRACED, "--plans", "gold")
    told.run("run", SUMS, "-n", "2", "--method", "few-shot", "--demos", "shown.jsonl", "--student", "openai/student")
    told.run("run", SUMS, "--method", "trace-of-thought", "--teacher", "openai/small", "--student", "openai/student",
             "--samples", "3", "--temperature", "0.7")  # fmt: skip
    for control in ("leaked", "shuffled", "generic", "masked", "no-nosolve"):
        told.run("run", SUMS, "-n", "3", *PLANNED, "--control", control)
    for prompts in ("paper", "code", "traces", "student", "scotd", "mine.toml"):
        told.run("run", SUMS, "-n", "2", *PLANNED, "--prompts", prompts)
    drawn = ("--temperature", "0.7", "--seed", "7", "--max-tokens", "300")
    told.run("run", SUMS, *PLANNED, "--samples", "3", *drawn)
    told.run("run", SUMS, "-n", "2", "--method", "direct", "--student", "openai/student", "--top-p", "0.9", *drawn)
    told.run("run", SUMS, "-n", "2", *PLANNED, "--teacher-temperature", "0.5", "--teacher-max-tokens", "200")
    told.run("run", "choices.jsonl", "--choices", "choices", "--kind", "choice", "--method", "direct",
             "--student", "openai/student")  # fmt: skip
    told.run("run", SUMS, "-n", "2", "--offset", "1", "--method", "direct",
             "--student", "openai-completions/openai/student")  # fmt: skip
    told.run("run", SUMS, "--method", "direct", "--student", "openai/weak", again=False)
    return {"first": first["run"]}


def write_people(told: Told, first: str) -> None:
    """Edit, solve again, review, annotate, correct and judge."""
    edit = ("--steps", "steps.txt", "--author", "Ann", "--why", "clearer")
    told.run("plans", first, "--edit", "sums/1", *edit, again=False)
    for number in (4, 5):
        told.run("plans", first, "--edit", f"sums/{number}", *edit, "--solve", again=False)
    told.run("run", SUMS, *TRACED, "--plans", first)
    told.run("plans", first, "--export", "plans.jsonl", again=False)
    told.run("run", SUMS, *TRACED, "--plans", "plans.jsonl")
    told.run("grade", first, "--grader", "judge:openai/judge", again=False)
    told.run("grade", first, "--grader", "strict", again=False)
    told.run("prefer", first, told.rows[0]["said"][0]["run"],
             "--judge", "openai/judge", "-n", "4", again=False)  # fmt: skip
    told.run("grade", first, "--grader", "default", again=False)
    done = threading.Event()
    person = threading.Thread(target=review, args=(done,))
    person.start()
    told.run("run", SUMS, "-n", "3", *PLANNED, "--review", again=False)
    done.set()
    person.join()
    from stepdown.store.people import Annotation, annotate, correct

    from stepdown.store import Store

    with Store("store.sqlite") as store:
        run = store.run(first)
        annotate(run, "sums/0", annotation=Annotation("short", "right, but guessed", "Ann"))
        correct(run, (3, 0), verdict="ungraded", author="Bob", why="it can be read both ways")


def review(done: threading.Event) -> None:
    """Accept, edit and leave the three plans that wait."""
    from stepdown.store.people import decide, waiting

    from stepdown.store import Store

    with Store("store.sqlite") as store:
        while not done.wait(0.05):
            for held in waiting(store):
                number = int(held.problem.id.rpartition("/")[2])
                plan = held.plan.edit("Count one further.", author="Ann") if number else held.plan
                word = ("accepted", "edited", "left")[number]
                decide(store, (held.run, held.problem.id), decision=word, plan=plan)


def write_files_of_runs(told: Told, first: str) -> None:
    """Export a run and import it again, in the authors' form and in ours."""
    for form, name in (("csv-traces", "traces.csv"), ("jsonl", "traces.jsonl")):
        told.run("export", first, "--to", form, "--out", name, again=False)
        told.run("import", name, again=False)


def write_student(told: Told, first: str) -> None:
    """Sample a corpus, keep a part of it, train a student of a few thousand weights on it, and run that."""
    told.run("sample", SUMS, "--teacher", "openai/teacher", "--chains", "3", "--zero-shot", "--out", "corpus",
             "--seed", "3", again=False)  # fmt: skip
    told.run("keep", "corpus", "right", "distinct", "--out", "kept", again=False)
    write_base(Path("base"))
    told.run("train", "kept", "--base", "base", "--out", "student", "--steps", "4", "--batch", "4", "--rank", "2",
             "--dev-count", "2", "--evaluations", "1", "--checkpoints", "1", "--precision", "fp32")  # fmt: skip
    told.run("run", SUMS, "-n", "2", "--method", "chain-of-thought", "--student", "./student", "--max-tokens", "8")
    Path("student/curves.png").unlink(missing_ok=True)
    told.run("keep", "corpus", "complete", "max-words=12", "per-problem=2", "no-leak",
             "--out", "some", "--seed", "5", again=False)  # fmt: skip
    told.run("import", "chats.jsonl", "--out", "chats", again=False)
    told.run("export", first, "--to", "plans", "--out", "plans", again=False)


def write_endpoint() -> list[dict]:
    """Ask the endpoint, and return each request with its answer."""
    serving = subprocess.Popen(
        [sys.executable, "-m", "stepdown", "serve", "--port", "0"],
        env={**os.environ, **ENVIRONMENT}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert serving.stderr is not None
    found = next(one for line in serving.stderr if (one := re.search(r"http://127\.0\.0\.1:\d+", line)))
    names = ("direct/openai/student", "solver", "careful")
    bodies = [{"model": name, "messages": [{"role": "user", "content": f"What is {n} plus one?"}], **more}
              for name in names for n, more in ((0, {}), (1, {"temperature": 0.7, "seed": 3}))]  # fmt: skip
    answers = []
    for body in bodies:
        asked = Request(
            f"{found[0]}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urlopen(asked) as answer:
            answers.append({"request": body, "response": json.load(answer)})
    serving.terminate()
    serving.communicate()
    return answers


def write_base(folder: Path) -> None:
    """Write a model of one layer and few thousand random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from small_students import small_tokenizer

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=320, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.3, tie_word_embeddings=True,
        bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).half().save_pretrained(folder)
    small_tokenizer().save_pretrained(folder)


def write_from_python() -> dict[str, str]:
    """Run from a program, where settings that nobody names are said in fewer bytes than by the command line."""
    import stepdown as sd

    problems = sd.load_problems(SUMS, limit=3)
    drawn = sd.Sampling(temperature=0.7, seed=7)
    with sd.Store("store.sqlite") as store:
        plain = sd.run(problems, "direct", student=sd.load_model("openai/student"), store=store)
        both = {role: sd.load_model(f"openai/{role}") for role in ("student", "teacher")}
        voted = sd.run(problems, "trace-of-thought", **both, sampling=drawn, samples=2, store=store)
        scripted = sd.ScriptedModel({"plus one": "Answer: 1"}, "mine")
        return {"plain": plain.id, "voted": voted.id,
                "scripted": sd.run(problems, "direct", student=scripted, store=store).id}  # fmt: skip


def keys() -> dict[str, str]:
    """Return the key of every call, with the model that was asked."""
    db = sqlite3.connect("store.sqlite")
    try:
        db.execute("pragma wal_checkpoint(truncate)")
        db.execute("vacuum")
        return {key.hex(): model for key, model in db.execute("select key, model from calls order by created, rowid")}
    finally:
        db.close()


def lines(facts: dict) -> list[str]:
    """Return facts as lines of JSON, a command a line."""
    told = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in facts.items() if name != "commands"]
    commands = ",\n".join(json.dumps(row, separators=(",", ":")) for row in facts["commands"])
    return [*told, f'"commands": [\n{commands}\n]']


def main(folder: Path) -> None:
    """Write everything."""
    folder.mkdir(parents=True)
    os.chdir(folder)
    os.environ.update(ENVIRONMENT)
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Models)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    began, told = time.monotonic(), Told()
    write_files()
    first = write_runs(told)["first"]
    write_people(told, first)
    write_student(told, first)
    write_files_of_runs(told, first)
    python = write_from_python()
    endpoint = write_endpoint()
    told.run("report", "--prices", "prices.json", again=False)
    told.run("audit", first, again=False)
    told.run("runs", again=False)
    server.shutdown()
    import stepdown

    facts = {"stepdown": stepdown.__version__, "first": first, "python": python, "commands": told.rows, "calls": keys(),
             "endpoint": endpoint}  # fmt: skip
    Path("ids.json").write_text("{\n" + ",\n".join(lines(facts)) + "\n}\n")
    for file in (Path("ids.json"), Path("store.sqlite")):
        with gzip.GzipFile(f"{file}.gz", "wb", mtime=0) as packed, file.open("rb") as plain:
            shutil.copyfileobj(plain, packed)
    for leftover in (Path("ids.json"), *Path().glob("store.sqlite*")):
        if leftover.suffix != ".gz":
            leftover.unlink()
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
