"""What a browser keeps from form to form: who edits, who rates, and the student chosen for a run, in cookies."""

from collections.abc import Mapping
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

PERSON, STUDENT, RATER = "stepdown_person", "stepdown_student", "stepdown_rater"
_LONGEST = {PERSON: 100, STUDENT: 200, RATER: 100}
_YEAR = 365 * 24 * 3600


def kept(request: Request, name: str) -> str:
    """Return what a browser has kept under a name, empty where it is nothing that can be read."""
    value = unquote(request.cookies.get(name, ""))[: _LONGEST[name]]
    return value if value.isprintable() else ""


def keep(answer: Response, form: Mapping[str, str], *, run: str = "", person: str = "", student: str = "") -> Response:
    """Let a browser keep who a form says edits and, for this run, the student it names; return the answer.

    What is as the server has it (`person`, `student`) is forgotten instead, so that a change there is seen.
    """
    _put(answer, PERSON, form.get("author", person).strip(), person, "/")
    if run:
        _put(answer, STUDENT, form.get("student", student).strip(), student, f"/runs/{run}")
    return answer


def keep_rater(answer: Response, rater: str) -> Response:
    """Let a browser keep who rates; return the answer."""
    _put(answer, RATER, rater, "", "/")
    return answer


def _put(answer: Response, name: str, value: str, default: str, path: str) -> None:
    if value in ("", default):
        answer.delete_cookie(name, path=path, httponly=True, samesite="lax")
    else:
        quoted = quote(value[: _LONGEST[name]], safe="", errors="replace")
        answer.set_cookie(name, quoted, max_age=_YEAR, path=path, httponly=True, samesite="lax")
