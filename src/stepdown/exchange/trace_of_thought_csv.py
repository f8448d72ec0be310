"""The trace files the Trace-of-Thought authors released: six cells a row, no header, JSON in the first cell."""

import csv
import json
import re
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

import msgspec

from stepdown.errors import BadRow, UsageError
from stepdown.exchange.jsonl_runs import Count
from stepdown.methods import CHAIN_OF_THOUGHT, DIRECT, PLAN_AND_SOLVE, TRACE_OF_THOUGHT
from stepdown.models import FREE, Prices
from stepdown.problems import gsm8k, hendrycks_math
from stepdown.prompts import PROMPT_SETS, PromptSet
from stepdown.store import Annotation
from stepdown.tabular import Row, decoded_lines, next_cells
from stepdown.types import Call, Message, Method, Plan, Problem, Prompt, Reply, Role, Sampling, Settings, Trace, Usage

COLUMNS = ("trace", "delegation prompt", "delegation output", "student output", "gold", "cost tokens")
# Ollama stops a model that does not stop by itself after ten times its default window of 2,048 tokens.
RUNAWAY = 20_480
# The files do not say how text was drawn; the released code leaves both endpoints' defaults.
SAMPLING = Sampling(temperature=1.0, max_tokens=RUNAWAY)
MODELS = {
    "gpt4": "openai/gpt-4-0613",
    "gpt3point5": "openai/gpt-3.5-turbo-0613",
    "llama38b": "ollama/llama3:8b",
    "llama27bchat": "ollama/llama2:7b-chat",
    "wizardmath7b": "ollama/wizard-math",
    "zephyr": "ollama/zephyr",
}
_NAME = re.compile(
    r"sot-(?P<teacher>[a-z0-9]+)-(?P<student>[a-z0-9]+)-(?P<dataset>[a-z0-9]+)-[\d-]+-traces\.csv", re.IGNORECASE
)
_CHOICE = re.compile(r"^\(?([A-H])[).:]\s?(.+)$", re.MULTILINE)
_LETTER = re.compile(r"[A-H]")

Dataset = Literal["gsm8k", "math", "commonsenseqa"]


class PromptAndReply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One prompt and its reply with token counts; `cost_tokens` is input and output of a paid model, else 0."""

    input_text: str
    output_text: str
    input_count: Count
    output_count: Count
    cost_tokens: Count


class CsvAnnotations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Remarks on either text: the plan and the solution. They are empty in all released files."""

    delegation: str
    answer: str


class CsvTrace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON of a row's first cell, in the order of its keys."""

    dataset_question: str
    dataset_answer: str
    delegation: PromptAndReply
    answer: PromptAndReply
    annotations: CsvAnnotations
    total_count: Count
    cost_total: Count


_decode = msgspec.json.Decoder(CsvTrace).decode


class ModelNames(msgspec.Struct, frozen=True):
    """Who wrote the plans and who solved, as model strings; `unknown` where the file's name does not say."""

    teacher: str = "unknown"
    student: str = "unknown"


def names_of(path: Path) -> ModelNames:
    """Return the models a file's name speaks of (`sot-gpt4-zephyr-gsm8k-05-28-24-traces.csv`)."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        return ModelNames()
    teacher, student = match["teacher"].lower(), match["student"].lower()
    return ModelNames(MODELS.get(teacher, teacher), MODELS.get(student, student))


def read_rows(path: Path) -> Generator[tuple[int, CsvTrace], None, None]:
    """Stream (line, row) of a traces file. Raises `BadRow` at the first row that is not of six agreeing cells."""
    # The limit is the process's, not the reader's; the csv module has no other way to it.
    csv.field_size_limit(2**31 - 1)
    with closing(decoded_lines(path)) as lines:
        reader, line = csv.reader(lines, strict=True), 1
        while (cells := next_cells(path, reader)) is not None:
            if cells:
                yield line, read_cells(path, line, cells)
            line = reader.line_num + 1


def read_cells(path: Path, line: int, cells: list[str]) -> CsvTrace:
    """Return the trace in a row's cells. Raises `BadRow` where a cell is broken or contradicts the JSON."""
    if len(cells) != len(COLUMNS):
        hint = "only the authors' traces CSV has such rows; another file may be a .jsonl that `export` wrote"
        raise BadRow(path, line, "the row", f"the 6 cells {', '.join(COLUMNS)}, found {len(cells)}", hint)
    try:
        row = _decode(cells[0])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise BadRow(path, line, COLUMNS[0], f"the JSON of one trace ({error})") from error
    for name, cell, text in zip(COLUMNS[1:], cells[1:], repeated(row), strict=True):
        if cell != text:
            raise BadRow(path, line, name, "the same as the JSON in the first cell says")
    return row


def repeated(row: CsvTrace) -> tuple[str, ...]:
    """Return what the five cells after the JSON say again."""
    plan, answer = row.delegation, row.answer
    return plan.input_text, plan.output_text, answer.output_text, row.dataset_answer, str(row.cost_total)


def write_cells(row: CsvTrace) -> list[str]:
    """Return a row's six cells; the JSON is spelled as Python's `json.dumps` does, like the released files."""
    return [json.dumps(msgspec.to_builtins(row)), *repeated(row)]


def dataset_of(row: CsvTrace) -> Dataset | None:
    """Return the benchmark a gold comes from, by its form; None for no known form."""
    gold = row.dataset_answer
    if "####" in gold:
        return "gsm8k"
    if "\\boxed" in gold or "\\fbox" in gold:
        return "math"
    return "commonsenseqa" if _LETTER.fullmatch(gold.strip()) else None


def read_problem(path: Path, line: int, row: CsvTrace, dataset: Dataset | None) -> Problem:
    """Return the problem of a row, the same as the benchmark's own loader gives. Raises `BadRow`."""
    question, gold = row.dataset_question, row.dataset_answer
    if dataset is None or dataset_of(row) != dataset:
        forms = {"gsm8k": "`#### N`", "math": "`\\boxed{...}`", "commonsenseqa": "a choice letter"}
        wanted = forms[dataset] + ", as in the rows before" if dataset else " or ".join(forms.values())
        raise BadRow(path, line, "gold", f"a gold with {wanted}")
    if dataset == "gsm8k":
        return gsm8k.read_problem(Row(str(path), line, {"question": question, "answer": gold}))
    if dataset == "math":
        return hendrycks_math.read_problem(Row(str(path), line, {"problem": question, "solution": gold}))
    tail = row.delegation.input_text.partition(question)[2]
    choices = tuple(text.strip() for _, text in _CHOICE.findall(tail))
    return Problem(id="", question=question.strip(), answer=gold.strip(), choices=choices, kind="choice")


def read_trace(row: CsvTrace, problem: Problem, names: ModelNames) -> Trace:
    """Return the trace a row tells of: calls verbatim, counts kept, a runaway marked as truncated."""
    calls = []
    if row.delegation.input_text:
        calls.append(_call("teacher", names.teacher, row.delegation))
    calls.append(_call("student", names.student, row.answer))
    planned = row.delegation.input_text or row.delegation.output_text
    return Trace(
        problem=problem,
        method=(TRACE_OF_THOUGHT if planned else DIRECT).name,
        plan=Plan(row.delegation.output_text, author=names.teacher) if planned else None,
        calls=tuple(calls),
        solution=row.answer.output_text,
    )


def _call(role: Role, model: str, text: PromptAndReply) -> Call:
    reply = Reply(
        text=text.output_text,
        model=model,
        usage=Usage(input=text.input_count, output=text.output_count),
        finish="length" if text.output_count == RUNAWAY else "stop",
    )
    return Call(role=role, model=model, messages=(Message("user", text.input_text),), sampling=SAMPLING, reply=reply)


def wording_of(trace: Trace) -> tuple[str, str]:
    """Return (prompt set, method) whose words a trace's student was asked in, (`recorded`, its method) if none."""
    prompt = trace.calls[-1].messages[0].content
    for prompts in PROMPT_SETS.values():
        if trace.plan is not None:
            if _says(prompts, TRACE_OF_THOUGHT, trace, prompt):
                return prompts.name, TRACE_OF_THOUGHT.name
            continue
        for method in (DIRECT, CHAIN_OF_THOUGHT, PLAN_AND_SOLVE):
            if _says(prompts, method, trace, prompt):
                return prompts.name, method.name
    return "recorded", trace.method


def _says(prompts: PromptSet, method: Method, trace: Trace, prompt: str) -> bool:
    return prompts.render(method, Prompt("solve", trace.problem, trace.plan))[-1].content == prompt.strip()


def row_of(trace: Trace, prices: Prices) -> CsvTrace:
    """Return the row that tells of a trace. Raises `UsageError` for what six cells cannot say."""
    if trace.solution is None:
        raise UsageError(
            f"`{trace.problem.id}` has no solution ({trace.error}), and the authors' rows cannot say so",
            "run the same command again to solve it, or export --to jsonl",
        )
    if trace.sample:
        raise UsageError("the authors' rows hold one solution for each problem", "export --to jsonl")
    plan = _exchange(trace, "teacher", trace.plan.text if trace.plan else "", prices)
    answer = _exchange(trace, "student", trace.solution, prices)
    return CsvTrace(
        dataset_question=trace.problem.question,
        dataset_answer=_gold(trace.problem),
        delegation=plan,
        answer=answer,
        annotations=CsvAnnotations(delegation="", answer=""),
        total_count=plan.input_count + plan.output_count + answer.input_count + answer.output_count,
        cost_total=plan.cost_tokens + answer.cost_tokens,
    )


def annotated(row: CsvTrace, remarks: Sequence[Annotation]) -> CsvTrace:
    """Return the row with what people remarked, newest first; several people's remarks stand under their names."""
    if not remarks:
        return row

    def joined(field: Literal["delegation", "answer"]) -> str:
        words = {one.author: text for one in remarks if (text := getattr(one, field))}
        return "\n".join(f"{author}: {text}" if len(words) > 1 else text for author, text in words.items())

    return msgspec.structs.replace(row, annotations=CsvAnnotations(joined("delegation"), joined("answer")))


def _exchange(trace: Trace, role: Role, text: str, prices: Prices) -> PromptAndReply:
    """The role's one call; a plan that came without a call (recorded, edited) has no prompt and no counts."""
    call = next((call for call in reversed(trace.calls) if call.role == role), None)
    if call is None:
        return PromptAndReply(input_text="", output_text=text, input_count=0, output_count=0, cost_tokens=0)
    usage = call.reply.usage or Usage()
    free = prices.rate(call.model) == FREE
    return PromptAndReply(
        input_text="\n\n".join(message.content for message in call.messages),
        output_text=text,
        input_count=usage.input,
        output_count=usage.output,
        cost_tokens=0 if free else usage.input + usage.output,
    )


def _gold(problem: Problem) -> str:
    if problem.kind == "number" and problem.solution:
        return f"{problem.solution}\n#### {problem.answer}"
    if problem.kind == "expression" and hendrycks_math.last_box(problem.solution) == problem.answer:
        return problem.solution
    if problem.kind == "expression":
        return f"{problem.solution}\n\\boxed{{{problem.answer}}}".lstrip()
    return f"#### {problem.answer}" if problem.kind == "number" else problem.answer


def settings_of(trace: Trace, *, problems: str, count: int, origin: str) -> Settings:
    """Return what is known of the run a file tells of, from its first trace."""
    prompt_set, method = wording_of(trace)
    prompts = PROMPT_SETS[prompt_set].fingerprint if prompt_set in PROMPT_SETS else ""
    return Settings(
        dataset=trace.problem.id.rpartition("/")[0],
        problems=problems,
        count=count,
        method=method,
        student=trace.calls[-1].model,
        teacher=trace.plan.author if trace.plan else "",
        prompt_set=prompt_set,
        prompts=prompts,
        plans="teacher" if trace.plan else "",
        sampling=SAMPLING,
        teacher_sampling=SAMPLING if trace.plan else Sampling(),
        origin=origin,
    )
