"""What people call runs and say of them: a name, tags, a note, whether they are hidden; and runs as files to keep."""

import csv
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from stepdown.errors import UnknownName, UsageError
from stepdown.exchange import export_run
from stepdown.prompts import question_text
from stepdown.reports import write_page
from stepdown.runner import PlanRow
from stepdown.store import Run, Store, label, run_labels, tag, untag
from stepdown.web.pages import form_of, state_of
from stepdown.web.pages.plans import author_of
from stepdown.web.state import State
from stepdown.web.views.addresses import BACK, inside
from stepdown.web.views.cookies import keep

MOST_RUNS = 50
Write = Callable[[State, Sequence[Run], Path], None]


async def post_labels(request: Request) -> Response:
    """Keep a run's name, tags, note and whether it is hidden, as its form says, and go back to its page."""
    state, name, form = state_of(request), request.path_params["run"], await form_of(request)
    author = author_of(form, state.person)

    def write(store: Store) -> str:
        run = store.run(name)
        # Only what the form holds is changed: the list of runs hides a run and says nothing of its name.
        remarks = {field: form[field].strip() for field in ("name", "note") if field in form}
        with store.writing():
            label(run, hidden=form["hidden"] == "yes" if "hidden" in form else None, author=author, **remarks)
            if "tags" in form:
                wanted = set(form["tags"].replace(",", " ").split())
                untag(run, *(set(run_labels(run).tags) - wanted), author=author)
                tag(run, *sorted(wanted), author=author)
        return run.id

    run = await state.write(write)
    answer = RedirectResponse(inside(form.get(BACK, ""), f"/runs/{run}"), status_code=303)
    return keep(answer, form, person=state.person)


async def export(request: Request) -> Response:
    """Answer with runs as a file to keep: their traces as csv or jsonl, their plans, or their report as a page."""
    state, query = state_of(request), request.query_params
    to, names = query.get("to", ""), list(dict.fromkeys(query.getlist("run")))
    if to not in FORMS:
        raise UnknownName("form of an export", to[:40], FORMS)
    if not 0 < len(names) <= MOST_RUNS:
        raise UsageError(f"{len(names)} runs cannot be one file", f"name 1 to {MOST_RUNS} with `run=`")
    write, end, kind = FORMS[to]

    def work(store: Store) -> tuple[Path, str]:
        runs = [store.run(name) for name in names]
        with tempfile.NamedTemporaryFile(prefix="stepdown-export-", suffix=f".{end}", delete=False) as file:
            path = Path(file.name)
        try:
            write(state, runs, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path, f"{runs[0].id if len(runs) == 1 else f'{len(runs)}-runs'}-{to}.{end}"

    path, name = await state.read(work)
    return FileResponse(path, media_type=kind, filename=name, background=BackgroundTask(path.unlink, missing_ok=True))


def _write_csv(state: State, runs: Sequence[Run], path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for number, run in enumerate(runs):
            part = Path(folder) / f"{number}.csv"
            export_run(run, "csv", part, prices=state.prices)
            with part.open(encoding="utf-8", newline="") as rows:
                lines = csv.reader(rows)
                head = next(lines, [])
                if not number:
                    writer.writerow(head)
                writer.writerows(lines)


def _write_lines(state: State, runs: Sequence[Run], path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, path.open("wb") as file:
        for number, run in enumerate(runs):
            part = Path(folder) / f"{number}.jsonl"
            export_run(run, "jsonl", part, prices=state.prices)
            with part.open("rb") as lines:
                file.writelines(lines)


def _write_plans(state: State, runs: Sequence[Run], path: Path) -> None:
    with path.open("wb") as file:
        for run in runs:
            for problem, plan in run.plans():
                row = PlanRow(
                    question=question_text(problem), plan=plan.text, author=plan.author, problem=problem.id,
                    edited_from=plan.edited_from, why=plan.why,
                )  # fmt: skip
                file.write(msgspec.json.encode(row) + b"\n")
        if not file.tell():
            raise UsageError("these runs have no plans", "trace-of-thought runs have plans")


def _write_report(state: State, runs: Sequence[Run], path: Path) -> None:
    report = state.run_stats.report(runs[0].store, [run.id for run in runs])
    write_page(report, path)


FORMS: dict[str, tuple[Write, str, str]] = {
    "csv": (_write_csv, "csv", "text/csv"),
    "jsonl": (_write_lines, "jsonl", "application/x-ndjson"),
    "plans": (_write_plans, "jsonl", "application/x-ndjson"),
    "report": (_write_report, "html", "text/html"),
}
ROUTES: list[BaseRoute] = [
    Route("/runs/{run}/labels", post_labels, methods=["POST"]),
    Route("/export", export),
]
