"""Models behind endpoints: transport (sessions, limits, retries, proxies), dialects, and batches of calls."""

from stepdown.models.http.api_errors import ApiError, read_api_error
from stepdown.models.http.batches import BatchAnswer, BatchApi, BatchLook, BatchRequest, find_batch_api
from stepdown.models.http.concurrency import AdaptiveConcurrency
from stepdown.models.http.dialects.dialect import CompletionRequest
from stepdown.models.http.endpoint_model import TIMEOUT
from stepdown.models.http.endpoints import ANY, LOCAL
from stepdown.models.http.limits import RetryableError
from stepdown.models.http.lost_replies import LostReply, ServerFault, losses_to, report_loss
from stepdown.models.http.outcomes import FieldRefused, read_batched, read_refusal, reading_answer

__all__ = [
    "ANY",
    "LOCAL",
    "TIMEOUT",
    "AdaptiveConcurrency",
    "ApiError",
    "BatchAnswer",
    "BatchApi",
    "BatchLook",
    "BatchRequest",
    "CompletionRequest",
    "FieldRefused",
    "LostReply",
    "RetryableError",
    "ServerFault",
    "find_batch_api",
    "losses_to",
    "read_api_error",
    "read_batched",
    "read_refusal",
    "reading_answer",
    "report_loss",
]
