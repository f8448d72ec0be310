"""A run as a log of Inspect (`.eval`): `inspect view` opens it and `inspect_ai.log.read_eval_log` reads it.

Source of the form: inspect_ai 0.3.285, `log/_log.py` and `log/_recorders/eval.py`. Members are deflated, which Inspect
reads too.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec

from stepdown.exchange.imported import plain_name
from stepdown.exchange.inspect_samples import ENDS
from stepdown.exchange.inspect_tools import written_calls, written_turn
from stepdown.models import Prices
from stepdown.store import Run
from stepdown.types import Call, Grade, Sampling, Trace
from stepdown.version import __version__

_PREFIX = "inspect/"  # of Inspect's own scorers, in a run that was read from its log
_REASONS = {finish: reason for reason, finish in reversed(ENDS.items())}
_SCORES = {"right": "C", "wrong": "I"}
Grades = list[Grade]


def write_log(run: Run, path: Path, prices: Prices) -> int:
    """Write a run, a sample for each trace, scored by each grader, and return the number of traces."""
    spec, plan = _spec(run), {"name": run.settings.method}
    summaries, counts = list[dict[str, Any]](), dict[str, list[int]]()
    with ZipFile(path, "x", ZIP_DEFLATED) as archive:

        def put(name: str, body: object) -> None:
            archive.writestr(name, msgspec.json.encode(body))

        put("_journal/start.json", {"version": 2, "eval": spec, "plan": plan})
        for trace, grades in _graded(run):
            sample = _sample(trace, grades, prices, spec["created"])
            put(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", sample)
            shown = ("id", "epoch", "input", "target", "scores", "model_usage", "role_usage", "uuid")
            error = {"error": trace.error} if trace.error else {}
            summaries.append({**{one: sample[one] for one in shown}, **error, "completed": True})
            for grade in grades:
                if grade.verdict in _SCORES:
                    counts.setdefault(grade.grader, []).append(grade.verdict == "right")
        put("summaries.json", summaries)
        results = {
            "total_samples": len(summaries),
            "completed_samples": len(summaries),
            "scores": [_result(grader, found) for grader, found in counts.items()],
        }
        stats = {"started_at": spec["created"], "completed_at": spec["created"]}
        stats |= {"model_usage": _sum(summaries, "model_usage"), "role_usage": _sum(summaries, "role_usage")}
        header = {"version": 2, "status": "success", "eval": spec, "plan": plan, "results": results, "stats": stats}
        put("header.json", header)
    return len(summaries)


def _graded(run: Run) -> Iterator[tuple[Trace, Grades]]:
    if not run.graders():
        yield from ((trace, []) for trace in run)
        return
    for rows in zip(*(run.graded(grader) for grader in run.graders()), strict=True):
        yield rows[0][0], [grade for _, grade in rows]


def _spec(run: Run) -> dict[str, Any]:
    settings, ident = run.settings, sha256(run.id.encode()).hexdigest()[:22]
    roles = {"student": settings.student, **({"teacher": settings.teacher} if settings.teacher else {})}
    return {
        "eval_id": ident,
        "run_id": ident,
        "task_id": ident,
        "created": _moment(run.created),
        "task": plain_name(settings.dataset.replace("/", "_")),
        "dataset": {"name": settings.dataset, "samples": settings.count},
        "model": settings.student,
        "model_generate_config": _config(settings.sampling),
        "model_roles": {role: {"model": name, "config": {}, "args": {}} for role, name in roles.items()},
        "config": {"epochs": settings.samples},
        "packages": {"stepdown": __version__},
        "metadata": {"stepdown": {"run": run.id, "grader": run.grader, "settings": settings}},
    }


def _moment(created: float | str) -> str:
    return created if isinstance(created, str) else datetime.fromtimestamp(created, UTC).isoformat()


def _config(sampling: Sampling) -> dict[str, Any]:
    config = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "stop_seqs": list(sampling.stop) or None,
        "reasoning_effort": sampling.reasoning_effort,
    }
    return {name: value for name, value in config.items() if value is not None}


def _sample(trace: Trace, grades: Grades, prices: Prices, created: str) -> dict[str, Any]:
    problem, last, place = trace.problem, trace.answer, f"{trace.problem.id}/{trace.sample}"
    own = [call for call in trace.calls if not call.reply.cached]
    events = [_event(call, f"{place}/{number}", prices, created) for number, call in enumerate(trace.calls)]
    more = {"plan": trace.plan, "worked": problem.solution, "gold_plan": problem.plan}
    for name, value in (("plan", trace.plan and trace.plan.text), ("solution", trace.solution)):
        if value is not None:
            info = {"event": "info", "source": f"stepdown/{name}", "data": value, "working_start": 0.0}
            events.append({**info, "uuid": _ident(f"{place}/{name}"), "timestamp": created})
    # Of an attempt that failed no earlier reply is the answer.
    answered = {} if last is None or trace.solution is None else _output(last, prices)
    body = {
        "id": problem.id,
        "epoch": trace.sample + 1,
        "input": problem.question,
        "target": problem.answer,
        "messages": (_turns(last) if last else []) + [one["message"] for one in answered.get("choices", ())],
        "output": answered,
        "scores": {one.grader.removeprefix(_PREFIX): _score(one) for one in grades if one.verdict in _SCORES},
        "metadata": {"kind": problem.kind, "method": trace.method, "solution": trace.solution}
        | {name: value for name, value in more.items() if value},
        "events": events,
        "model_usage": _usages([(call.model, call) for call in own], prices),
        "role_usage": _usages([(call.role, call) for call in own], prices),
        "uuid": _ident(place),
        "total_time": sum(call.reply.seconds for call in own),
        "attachments": {},
    }
    if problem.choices:
        body["choices"] = list(problem.choices)
    if trace.error:
        body["error"] = {"message": trace.error, "traceback": "", "traceback_ansi": ""}
    return body


def _ident(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:22]


def _turns(call: Call) -> list[dict[str, Any]]:
    form = call.sampling.form
    return [written_turn(one) for one in (form.placed(call.messages) if form else call.messages)]


def _output(call: Call, prices: Prices) -> dict[str, Any]:
    reply, content = call.reply, list[dict[str, str]]()
    if reply.reasoning:
        content.append({"type": "reasoning", "reasoning": reply.reasoning})
    content.append({"type": "text", "text": reply.text})
    message = {
        "role": "assistant",
        "content": content if reply.reasoning else reply.text,
        "source": "generate",
        "model": reply.model,
        **({"tool_calls": written_calls(reply.tool_calls)} if reply.tool_calls else {}),
    }
    reason = "tool_calls" if reply.tool_calls and reply.finish == "stop" else _REASONS[reply.finish]
    choice = {"message": message, "stop_reason": reason}
    found = {"model": reply.model, "choices": [choice], "completion": reply.text, "time": reply.seconds}
    usage = _usages([("", call)], prices).get("")
    return {**found, "usage": usage} if usage else found


def _event(call: Call, place: str, prices: Prices, created: str) -> dict[str, Any]:
    cache = {"cache": "read"} if call.reply.cached else {}
    return {
        "event": "model",
        "uuid": _ident(place),
        "timestamp": created,
        "working_start": 0.0,
        "working_time": call.reply.seconds,
        "model": call.model,
        "role": call.role,
        "input": _turns(call),
        "tools": [],
        "tool_choice": "none",
        "config": _config(call.sampling),
        "output": _output(call, prices),
        **cache,
    }


def _usages(calls: list[tuple[str, Call]], prices: Prices) -> dict[str, dict[str, Any]]:
    """Return the tokens and cost of calls by name, without the calls whose tokens are unknown."""
    found: dict[str, dict[str, Any]] = {}
    for name, call in calls:
        usage = call.reply.usage
        if usage is None:
            continue
        given: dict[str, Any] = {
            "input_tokens": usage.input - usage.cached,
            "input_tokens_cache_read": usage.cached,
            "output_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "reasoning_tokens": usage.reasoning,
        }
        cost = prices.cost(call.model, usage)
        if cost is not None:
            given["total_cost"] = cost
        _add(found.setdefault(name, {}), given)
    return found


def _add(total: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        total[key] = total.get(key, 0) + value


def _sum(summaries: list[dict[str, Any]], field: str) -> dict[str, dict[str, Any]]:
    found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for summary in summaries:
        for name, usage in summary[field].items():
            _add(found[name], usage)
    return dict(found)


def _score(grade: Grade) -> dict[str, Any]:
    return {"value": _SCORES[grade.verdict], "answer": grade.found, "explanation": grade.why}


def _result(grader: str, found: list[int]) -> dict[str, Any]:
    share, count = sum(found) / len(found), len(found)
    error = (share * (1 - share) / (count - 1)) ** 0.5 if count > 1 else 0.0
    metrics = {name: {"name": name, "value": value} for name, value in (("accuracy", share), ("stderr", error))}
    name = grader.removeprefix(_PREFIX)
    return {"name": name, "scorer": name, "scored_samples": count, "metrics": metrics}
