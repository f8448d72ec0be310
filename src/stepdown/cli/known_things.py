"""What a word stands for in a store: a run, a trace, a call, a problem, a fingerprint, a data set or a tag."""

import shlex
import time
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import msgspec

from stepdown.cli.run_listing import called, listed
from stepdown.errors import UnknownName
from stepdown.store import (
    FoundCall,
    Run,
    Store,
    calls_called,
    ids_called,
    labels_of,
    last_command,
    run_labels,
    runs_with_fingerprint,
    traces_of_problem,
    traces_with_call,
)
from stepdown.text import clipped, counted, method_of, plans_of
from stepdown.types import Grade, Trace

_LEAST_DIGITS, _MOST_RUNS = 4, 8
_ROOMS = frozenset({"plans", "solved", "traces", "verdicts", "annotations"})


class KnownThing(msgspec.Struct, frozen=True, kw_only=True):
    """What `show --json` prints: what a word is, its whole id, what is known of it, and the commands that lead on."""

    kind: str
    id: str
    about: dict[str, str] = {}
    next: tuple[str, ...] = ()


def things_called(store: Store, word: str) -> list[KnownThing]:
    """Return what a word may be in a store, most likely one thing; what is known by its whole id goes first, alone."""
    word = _plain(word)
    runs = [_run(store.run(one)) for one in ids_called(store, word)]
    if runs:
        return runs if len(runs) == 1 or runs[0].about["called"] else [*runs, *_by_digits(store, word)]
    for found in (_problem(store, word), _trace(store, word), _set(store, word)):
        if found:
            return [found]
    return _by_digits(store, word)


def _plain(word: str) -> str:
    """Return a page's address as RUN or RUN/PROBLEM, and anything else as it is."""
    path = urlsplit(word).path if word.startswith(("http://", "https://", "/runs/")) else ""
    parts = [unquote(part) for part in path.split("/")[1:]]
    if parts[:1] != ["runs"] or len(parts) < 2:
        return word
    rest = parts[3:] if parts[2:] and parts[2] in _ROOMS else []
    return "/".join([parts[1], *(part for part in rest if part)])


def _run(run: Run) -> KnownThing:
    one = listed(run, labels=run_labels(run))
    facts = {
        "called": called(one),
        "note": clipped(" ".join(one.note.split()), 200),
        "begun": _date(one.created),
        "data set": f"{one.dataset}, {counted(run.settings.count, 'problem')}",
        "method": method_of(one),
        "student": one.student,
        "plans": plans_of(one) if one.plans or one.teacher else "",
        "right": f"{one.right} of {one.graded} graded, of {one.total} traces ({one.grader or 'not graded'})",
        "study": "; ".join(map(str, one.studies)),
        "imported": one.origin,
    }
    leads = (f"stepdown report {run.id}", f"stepdown traces {run.id} --where wrong -n 3", f"stepdown audit {run.id}")
    return KnownThing(kind="run", id=run.id, about=facts, next=leads)


def _problem(store: Store, word: str) -> KnownThing | None:
    places = traces_of_problem(store, word)
    if not places:
        return None
    runs = list(dict.fromkeys(run for run, _ in places))
    trace = store.run(runs[-1]).trace(word)
    facts = {
        "question": clipped(" ".join(trace.problem.question.split()), 300),
        "gold": clipped(trace.problem.answer, 100),
        "solved in": ", ".join(runs[:_MOST_RUNS]) + f" and {len(runs) - _MOST_RUNS} more" * (len(runs) > _MOST_RUNS),
    }
    leads = tuple(f"stepdown traces {run} --problem {_quoted(word)}" for run in runs[-2:])
    return KnownThing(kind="problem", id=word, about=facts, next=leads)


def _trace(store: Store, word: str) -> KnownThing | None:
    """Return the trace that `RUN/PROBLEM` means, where both are there."""
    name, slash, problem = word.partition("/")
    ids = ids_called(store, name) if slash and problem else []
    if len(ids) != 1:
        return None
    run = store.run(ids[0])
    try:
        trace = run.trace(problem)
    except UnknownName:
        return None
    grade = next(grade for _, found, grade in run.attempts(problem) if found.sample == trace.sample)
    return _trace_facts(run, trace, grade)


def _trace_facts(run: Run, trace: Trace, grade: Grade) -> KnownThing:
    facts = {
        "question": clipped(" ".join(trace.problem.question.split()), 300),
        "plan": f"by {trace.plan.author}" + ", edited" * (trace.plan.edited_from is not None) if trace.plan else "",
        "verdict": f"{grade.verdict}: found {clipped(grade.found or 'nothing', 80)}, gold {trace.problem.answer}",
        "failed": clipped(trace.error or "", 200),
        "calls": counted(len(trace.calls), "call"),
    }
    place = _quoted(trace.problem.id)
    leads = [f"stepdown traces {run.id} --problem {place}"]
    leads += [f"stepdown plans {run.id} --show {place}"] if trace.plan else []
    return KnownThing(kind="trace", id=f"{run.id}/{trace.problem.id}", about=facts, next=tuple(leads))


def _set(store: Store, word: str) -> KnownThing | None:
    """Return the runs that a tag or a data set means."""
    if word == "@last":
        ids = last_command(store) or [run.id for run in store.runs()[-1:]]
        facts = {"runs": ", ".join(ids[:_MOST_RUNS]) + " and more" * (len(ids) > _MOST_RUNS)}
        leads = ("stepdown report --last", f"stepdown show {ids[-1]}") if ids else ()
        return KnownThing(kind="runs of the last command", id=word, about=facts, next=leads) if ids else None
    if word.startswith("@"):
        tag = word.removeprefix("@")
        ids = [run for run, one in labels_of(store).items() if tag in one.tags]
        facts = {"runs": ", ".join(ids[:_MOST_RUNS]) + " and more" * (len(ids) > _MOST_RUNS)}
        found = KnownThing(kind="tag", id=tag, about=facts, next=(f"stepdown report --tag {_quoted(tag)}",))
        return found if ids else None
    runs = [run for run in store.runs() if f"{run.settings.dataset}/".startswith(f"{word}/")]
    if not runs:
        return None
    facts = {
        "runs": ", ".join(run.id for run in runs[-_MOST_RUNS:]) + " and older" * (len(runs) > _MOST_RUNS),
        "splits": ", ".join(sorted({run.settings.dataset for run in runs})),
    }
    leads = (f"stepdown report {_quoted(word)}", f"stepdown runs --dataset {_quoted(word)}")
    return KnownThing(kind="data set", id=word, about=facts, next=leads)


def _by_digits(store: Store, word: str) -> list[KnownThing]:
    """Return what has a key or a fingerprint that begins so."""
    digits = word.lower()
    if len(digits) < _LEAST_DIGITS:
        return []
    found = [_call(store, one) for one in calls_called(store, digits)]
    return [*found, *_fingerprints(store, digits), *_studies(store, digits)]


def _call(store: Store, one: FoundCall) -> KnownThing:
    traces = traces_with_call(store, one.key, [one.run])
    first = next(traces, None)
    facts = {
        "model": one.model,
        "paid by run": one.run if ids_called(store, one.run) else f"{one.run} (removed)",
        "at": _date(one.created),
        "in trace": f"{first[0]}/{first[1]}" if first else "",
    }
    leads = (f"stepdown show {_quoted(facts['in trace'])}",) if first else (f"stepdown show {one.run}",)
    return KnownThing(kind="call", id=one.key, about=facts, next=leads)


def _fingerprints(store: Store, digits: str) -> Iterator[KnownThing]:
    for (what, whole), runs in runs_with_fingerprint(store, digits).items():
        ids = [run.id for run in runs]
        facts = {
            "data set": runs[0].settings.dataset if what == "problem set" else "",
            "named": runs[0].settings.prompt_set if what == "prompts" else "",
            "runs": ", ".join(ids[:_MOST_RUNS]) + " and more" * (len(ids) > _MOST_RUNS),
        }
        leads = [f"stepdown report {' '.join(ids[:_MOST_RUNS])}"]
        yield KnownThing(kind=f"fingerprint of {what}", id=whole, about=facts, next=tuple(leads))


def _studies(store: Store, digits: str) -> Iterator[KnownThing]:
    """Stream the study files whose hash begins so, with the runs that came from each."""
    found: dict[str, list[tuple[str, str]]] = {}
    labels = labels_of(store)
    for run in store.runs():
        for one in labels[run.id].studies if run.id in labels else ():
            if one.sha256.startswith(digits):
                found.setdefault(one.sha256, []).append((run.id, one.file))
    for whole, runs in found.items():
        ids = [run for run, _ in runs]
        facts = {"file": runs[-1][1], "runs": ", ".join(ids[:_MOST_RUNS]) + " and more" * (len(ids) > _MOST_RUNS)}
        leads = (f"stepdown report {' '.join(ids[:_MOST_RUNS])}",)
        yield KnownThing(kind="study file", id=whole, about=facts, next=leads)


def _date(created: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(created))


def _quoted(word: str) -> str:
    """Return a word as a shell takes it."""
    return shlex.quote(word)
