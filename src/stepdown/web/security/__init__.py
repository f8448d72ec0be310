"""Who may ask, from where and how much, and no key in what is shown."""

from stepdown.web.security.auth import SHORTEST
from stepdown.web.security.cross_origin import checked_origin
from stepdown.web.security.rules import LOOPBACK, AccessRules

__all__ = [
    "LOOPBACK",
    "SHORTEST",
    "AccessRules",
    "checked_origin",
]
