"""`GET /models`: what can be asked by name, and what each name stands for."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stepdown.errors import StepdownError
from stepdown.models.weights import CATALOGUE, fetched
from stepdown.store import Store, all_handed_on
from stepdown.text import json_line
from stepdown.web.config import Config, Served
from stepdown.web.openai.drift_alarm import WAY_OUT, alarm_text
from stepdown.web.openai.errors import Refusal, failed
from stepdown.web.openai.served import find_served, names_in
from stepdown.web.openai.service import service_of
from stepdown.web.state import State

# What a model that is on this machine is offered with: a method without a plan, and one by its own plans.
_METHODS_HERE = ("chain-of-thought", "trace-of-thought")


Alarms = dict[tuple[str, int, int], str]  # by name, and how many of how many the calibration handed on


class Offered(msgspec.Struct, frozen=True):
    """A model as OpenAI lists it, with who plays which role; `created` (unix seconds) is 0 where nobody knows.

    `alarm` says of a cascade that it hands on another share of questions than it was calibrated for; else it is empty.
    """

    id: str
    created: int
    object: str = "model"
    owned_by: str = "stepdown"
    method: str = ""
    student: str = ""
    teacher: str = ""
    planner: str = ""
    alarm: str = ""


def described(name: str, created: int, served: Served, alarms: Alarms) -> Offered:
    """Return a name with what it stands for, and the alarm of the calibration that it is served by."""
    players = served.student, served.teacher, served.planner
    alarm = alarms.get((name, served.handed_on, served.calibrated_on), "")
    return Offered(name, created, "model", "stepdown", served.method, *players, alarm)


def alarms_in(store: Store) -> Alarms:
    """Return what the alarms of cascades say, by name and calibration."""
    found = [one for one in all_handed_on(store).values() if one.alarm]
    return {(one.name, one.handed_on, one.calibrated_on): f"{alarm_text(one)}; {WAY_OUT}" for one in found}


async def offered(state: State) -> list[Offered]:
    """Return the names of `stepdown.toml`, those that runs could be served by, and those of models that are here."""
    named = {name: 0 for name in state.config.models}
    named |= {name: made for name, made in await state.read(names_in) if name not in named}
    named |= {name: 0 for name in names_here() if name not in named}
    alarms = await state.read(alarms_in)
    return [described(name, made, find_served(name, state.config), alarms) for name, made in named.items()]


def names_here() -> list[str]:
    """Return names of methods by the models whose weights are on this machine."""
    students = [f"embedded/{one.name}" for one in CATALOGUE if fetched(one.name) is not None]
    return [f"{method}/{student}" for student in students for method in _METHODS_HERE]


def _created(store: Store, name: str, config: Config) -> int:
    return 0 if name in config.models else dict(names_in(store)).get(name, 0)


async def models(request: Request) -> Response:
    """`GET /models`."""
    try:
        listed = await offered(service_of(request).state)
    except StepdownError as error:
        return failed(error).response()
    return _json({"object": "list", "data": listed})


async def model(request: Request) -> Response:
    """`GET /models/{id}`: a model that could be asked, whether it is listed or not."""
    name, state = request.path_params["id"], service_of(request).state
    try:
        served = find_served(name, state.config)
        created = await state.read(lambda store: _created(store, name, state.config))
        alarms = await state.read(alarms_in)
    except Refusal as refusal:
        return refusal.response()
    except StepdownError as error:
        return failed(error).response()
    return _json(described(name, created, served, alarms))


def _json(value: object) -> Response:
    return Response(json_line(value), media_type="application/json")
