"""Models behind endpoints: transport (sessions, limits, retries, proxies), and the dialects that endpoints speak."""

from stepdown.models.http.concurrency import AdaptiveConcurrency
from stepdown.models.http.endpoint_model import TIMEOUT
from stepdown.models.http.endpoints import ANY, LOCAL
from stepdown.models.http.lost_replies import LostReply, ServerFault, losses_to, report_loss

__all__ = [
    "ANY",
    "LOCAL",
    "TIMEOUT",
    "AdaptiveConcurrency",
    "LostReply",
    "ServerFault",
    "losses_to",
    "report_loss",
]
