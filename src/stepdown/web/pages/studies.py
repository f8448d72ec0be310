"""Training from a page: studies of a corpus, their students while they learn, and what these score."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from stepdown.errors import MissingExtra, StepdownError, UnknownName, UsageError
from stepdown.models.weights import StudentCard, read_card
from stepdown.text import figures
from stepdown.training import StudyFindings, read_log
from stepdown.web.jobs.study_files import WrittenStudy, study_files
from stepdown.web.jobs.study_form import FIELDS, TARGETS, ReadStudy, bases, read_study, tests
from stepdown.web.jobs.study_jobs import StudyJob
from stepdown.web.pages import form_of, page, state_of
from stepdown.web.pages.compare import WIDTH, chart_response
from stepdown.web.state import State

FINDINGS, LOG = "study.json", "log.jsonl"
_MOST, _MOST_BYTES = 200, 1 << 22


class Student(msgspec.Struct, frozen=True, kw_only=True):
    """One student of a study: the rows of its log so far, and its card once it is whole."""

    name: str
    folder: Path
    rows: tuple[dict[str, Any], ...] = ()
    card: StudentCard | None = None

    def newest(self, column: str) -> Any:
        """Return the newest value of a column of its log, None where it has none yet."""
        return next((row[column] for row in reversed(self.rows) if row.get(column) is not None), None)


class ShownStudy(msgspec.Struct, frozen=True, kw_only=True):
    """A study as its page shows it; `job` is what goes on, where this server started it, `files` those of its forms."""

    name: str
    students: tuple[Student, ...] = ()
    findings: StudyFindings | None = None
    job: StudyJob | None = None
    files: tuple[WrittenStudy, ...] = ()

    @property
    def address(self) -> str:
        """The address of its page."""
        return f"/studies/{quote(self.name, safe='')}"


def list_studies(state: State) -> list[ShownStudy]:
    """Return the studies in the server's folder, the newest first; those that just begin among them."""
    root = state.studies.folder
    found = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    names = [job.id for job in state.studies if job.is_live] + [path.name for path in found if any(path.iterdir())]
    return [study_of(state, name) for name in list(dict.fromkeys(names))[:_MOST]]


def study_of(state: State, name: str) -> ShownStudy:
    """Return a study by the name of its folder. Raises `UnknownName`."""
    root, job = state.studies.folder, state.studies.find(name)
    known = {path.name: path for path in root.iterdir() if path.is_dir()} if root.is_dir() else {}
    folder = known.get(name)
    if folder is None:
        if job is None:
            raise UnknownName("study", name[:80], known)
        return ShownStudy(name=name, job=job)
    students, files = tuple(_students(folder)), study_files(folder)
    return ShownStudy(name=name, students=students, findings=_findings(folder), job=job, files=files)


def _students(folder: Path) -> list[Student]:
    """Return the students of a study in the order of their names, whole ones and those that learn."""
    found: dict[str, Student] = {}
    for log in [*folder.glob(f"*/.seed-*.training/{LOG}"), *folder.glob(f"*/seed-*/{LOG}")]:
        place = log.parent.with_name(log.parent.name.removeprefix(".").removesuffix(".training"))
        name = f"{place.parent.name}, {place.name}"
        rows = tuple(read_log(log)) if log.stat().st_size <= _MOST_BYTES else ()
        found[name] = Student(name=name, folder=place, rows=rows, card=_card(place))
    return [found[name] for name in sorted(found, key=_by_number)]


def _by_number(name: str) -> list[tuple[str, int]]:
    """Return what sorts names as people do: 5 chains before 30."""
    return [(words, int(digits or 0)) for words, digits in re.findall(r"(\D*)(\d{0,9})", name)]


def _card(folder: Path) -> StudentCard | None:
    try:
        return read_card(folder) if folder.is_dir() else None
    except StepdownError:
        return None


def _findings(folder: Path) -> StudyFindings | None:
    try:
        return msgspec.json.decode((folder / FINDINGS).read_bytes(), type=StudyFindings)
    except (OSError, ValueError):
        return None


async def show_studies(request: Request) -> Response:
    """Show the studies there are, and the form that begins one; the address may fill some of it in."""
    given = {name: text[:500] for name, text in request.query_params.items() if name in FIELDS}
    return _form(request, given, ReadStudy())


async def start(request: Request) -> Response:
    """Start the study that a form describes and lead to its page, or say what is wrong with it."""
    state, given = state_of(request), await form_of(request)
    form = read_study(given, state.corpora, state.config)
    if form.settings is None:
        return _form(request, given, form, status=400)
    try:
        await state.studies.start(form.settings)
    except UsageError as error:
        return _form(request, given, form, status=400, refused=error)
    return RedirectResponse(ShownStudy(name=form.settings.name).address, status_code=303)


def _form(
    request: Request, given: Mapping[str, str], form: ReadStudy, *, status: int = 200, refused: UsageError | None = None
) -> Response:
    state = state_of(request)
    return page(
        request, "studies.html", status=status, studies=list_studies(state), values={**FIELDS, **given},
        errors=form.errors, refused=refused, bases=bases(state.config), tests=tests(state.config), targets=TARGETS,
        figures=figures,
    )  # fmt: skip


async def show_study(request: Request) -> Response:
    """Show a study: its students while they learn, their curves, and the table of what they score."""
    return page(request, "study.html", **_seen(request))


async def show_state(request: Request) -> Response:
    """Show the part of a study's page that changes."""
    return page(request, "parts/study.html", **_seen(request))


def _seen(request: Request) -> dict[str, Any]:
    study = study_of(state_of(request), request.path_params["name"])
    logged = sum(len(one.rows) for one in study.students)
    return {"study": study, "figures": figures, "missing": _missing_extra(), "logged": logged}


def _missing_extra() -> MissingExtra | None:
    try:
        from stepdown.training import charts  # noqa: F401
    except MissingExtra as missing:
        return missing
    return None


async def stop(request: Request) -> Response:
    """Stop a study: the first time after the step it is at, the second at once."""
    name = request.path_params["name"]
    state_of(request).studies.stop(name)
    return RedirectResponse(ShownStudy(name=name).address, status_code=303)


async def give_file(request: Request) -> Response:
    """Answer with a study file of a study, as it lies there."""
    study, name = study_of(state_of(request), request.path_params["name"]), f"{request.path_params['file']}.toml"
    found = next((one for one in study.files if one.cited.file == name), None)
    if found is None:
        raise UnknownName("study file", name[:80], [one.cited.file for one in study.files])
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(study.name, safe='')}.toml"}
    return Response(found.content, media_type="application/toml", headers=headers)


async def show_chart(request: Request) -> Response:
    """Answer with the curves of the students, or with the N-curve, as svg."""
    from stepdown.reports.charts import styled, svg
    from stepdown.training.charts import curves_chart, scores_chart

    study, kind = study_of(state_of(request), request.path_params["name"]), request.path_params["kind"]
    if kind not in ("curves", "scores"):
        raise UnknownName("chart of a study", kind, ("curves", "scores"))
    scores = study.findings.scores if study.findings else ()
    logs = {one.name: one.rows for one in study.students}
    chart = curves_chart(logs, width=WIDTH) if kind == "curves" else scores_chart(scores) if scores else None
    if chart is None:
        raise UsageError("there is nothing to draw yet", "look again when a student has learned some steps")
    return chart_response(svg(styled(chart), kind), request)


ROUTES: list[BaseRoute] = [
    Route("/studies", show_studies),
    Route("/studies", start, methods=["POST"]),
    Route("/studies/{name}", show_study),
    Route("/studies/{name}/state", show_state),
    Route("/studies/{name}/stop", stop, methods=["POST"]),
    Route("/studies/{name}/{kind}.svg", show_chart),
    Route("/studies/{name}/{file}.toml", give_file),
]
