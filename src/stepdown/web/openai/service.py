"""What the endpoint holds while the server runs."""

from starlette.requests import Request

from stepdown.web.openai.served import ServedModel, make_served
from stepdown.web.state import State

MOST_AT_ONCE = 1000
MOST_SERVED = 500


class Service:
    """What the endpoint holds while the server runs: served models that were asked for, and how many requests."""

    def __init__(self, state: State, *, most: int = MOST_AT_ONCE) -> None:
        self.state, self.most, self.under_way = state, most, 0
        self._models: dict[str, ServedModel] = {}

    def model(self, name: str) -> ServedModel:
        """Return a served model, made once. Raises `Refusal` (404)."""
        if name not in self._models:
            if len(self._models) >= MOST_SERVED:
                self._models.pop(next(iter(self._models)))
            self._models[name] = make_served(name, self.state)
        return self._models[name]


def service_of(request: Request) -> Service:
    """Return the service of an application."""
    service: Service = request.app.state.service
    return service
