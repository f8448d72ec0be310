"""A server that is only looked at: one rule for every address there is, and for those that are still to come."""

from starlette.types import ASGIApp, Receive, Scope, Send

from stepdown.errors import StepdownError
from stepdown.web.errors.objects import error_object, is_endpoint, is_program
from stepdown.web.pages import wrong_at
from stepdown.web.security.rules import AccessRules
from stepdown.web.state import State

WHAT = "this server is read-only: nothing is changed here, and no model is asked"
HINT = "start `stepdown serve` without --read-only for that"
LOOKS = frozenset({"GET", "HEAD"})
# Pages that are nothing but the beginning of a change.
_FORMS = frozenset({"new", "jobs", "reviews", "votes", "marks"})
# Whoever may look says so with a token: that changes nothing but the browser's cookie.
_LOGIN = frozenset({"/login", "/logout"})


class ReadOnlyGuard:
    """Lets pages be looked at and refuses all else, where the rules say that the server is read-only."""

    def __init__(self, app: ASGIApp, state: State, rules: AccessRules) -> None:
        self.app, self.state, self.rules = app, state, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse (403)."""
        if scope["type"] != "http" or not self.rules.read_only or self._is_look(scope):
            await self.app(scope, receive, send)
        elif is_program(scope):
            await error_object(403, f"{WHAT}; {HINT}", code="read_only")(scope, receive, send)
        else:
            await wrong_at(scope, self.state, StepdownError(WHAT, HINT), status=403)(scope, receive, send)

    def _is_look(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if self.state.auth and path in _LOGIN:
            return True
        return scope["method"] in LOOKS and not is_endpoint(scope) and path.split("/")[1] not in _FORMS
