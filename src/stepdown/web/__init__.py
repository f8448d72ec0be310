"""Pages in a browser at `/`, to watch, read and edit, and an OpenAI-compatible endpoint at `/v1`."""

from stepdown.web.config import load_config
from stepdown.web.security.auth import SHORTEST
from stepdown.web.security.guards import LOOPBACK, AccessRules
from stepdown.web.state import State

__all__ = ["LOOPBACK", "SHORTEST", "AccessRules", "State", "load_config"]
