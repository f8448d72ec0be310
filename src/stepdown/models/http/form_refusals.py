"""What an endpoint's refusal of tools or of an answer's form means: whoever asked is told which of the two."""

import re

from stepdown.errors import CallFailed, FormRefused
from stepdown.models.http.api_errors import ApiError
from stepdown.models.http.endpoints import Endpoint
from stepdown.types import AnswerForm

_STATUSES = {400, 404, 422, 500, 501}
_NAMED = {
    "tools": re.compile(r"\btool|\bfunction.?call|\bfunctions?\b"),
    "response_format": re.compile(r"response_?format|json.?(schema|object|mode)|structured|guided|grammar"),
}


def form_failure(endpoint: Endpoint, status: int, error: ApiError, form: AnswerForm, failure: Exception) -> Exception:
    """Return the failure of a status that is not 200, as `FormRefused` where it names a part of the form."""
    # An error of the server's own is asked again, unless it says that it has no such thing.
    words = f"{error.param} {error.message[:2000]}".lower()
    passing = status >= 500 and "support" not in words and "require" not in words
    if status not in _STATUSES or passing:
        return failure
    field = next((name for name in sorted(_NAMED.keys() & form.needs, reverse=True) if _NAMED[name].search(words)), "")
    if not field:
        return failure
    what = failure.what if isinstance(failure, CallFailed) else f"`{endpoint.name}` refused `{field}`: {status}"
    return FormRefused(what, f"send the request without `{field}`, or name another student", field=field)
