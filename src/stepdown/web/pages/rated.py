"""What raters say on the pages of votes and of marks is kept alike, and the next thing to rate is shown."""

from collections.abc import Callable, Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from stepdown.store import Store
from stepdown.web.pages import form_of, state_of
from stepdown.web.views.rating import named, rater_of


class RatingTask(Protocol):
    """What is rated, by an address."""

    def address(self, *, differ: bool = False, **more: str) -> str:
        """Return the address of what is rated, or of that which raters differ on."""
        ...


async def keep_rating(
    request: Request,
    task: RatingTask,
    keep: Callable[[Store, Mapping[str, str], str], str],
    *,
    required: str = "",
    differ: bool = False,
) -> Response:
    """Keep what a form says, and who says it, and show what `keep` returns.

    A form without the field `required` only says who rates. `keep` is given the store, the form and the rater.
    Raises what it raises, and `UsageError` where nobody is named.
    """
    form = await form_of(request)
    rater = rater_of(request, form)
    following = form.get("at", "")
    if not required or required in form:
        following = await state_of(request).write(lambda store: keep(store, form, rater))
    return named(RedirectResponse(task.address(differ=differ, at=following), status_code=303), rater)
