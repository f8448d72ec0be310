"""How much a model does at once, for whoever plans ahead."""

import msgspec

from stepdown.models.http.endpoint_model import EndpointModel
from stepdown.models.http.fleets.fleet_model import FleetModel
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.subprocess_model import SubprocessModel
from stepdown.types import Model


class Capacity(msgspec.Struct, frozen=True):
    """`width` calls at once on each of `servers`, which may climb to `widest` where nobody fixed it.

    `several` says that one request can bring several draws of a prompt, `loads` that weights have to be read first.
    """

    width: int
    widest: int
    servers: int = 1
    several: bool = True
    loads: bool = False


def capacity_of(model: Model) -> Capacity:
    """Return what a model can do at once; one that says only its width keeps to it."""
    if isinstance(model, EndpointModel):
        several = "n" in model.endpoint.dialect.refusable - model.refused
        return Capacity(model.limits.width, model.limits.widest, several=several)
    if isinstance(model, FleetModel):
        each = [capacity_of(one.model) for one in model.servers]
        return msgspec.structs.replace(each[0], servers=len(each), several=all(one.several for one in each))
    return Capacity(model.width, model.width, loads=isinstance(model, EmbeddedModel | SubprocessModel))
