"""What came of a request: an answer, a field that the endpoint refuses, or a failure that `limits` knows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from stepdown.errors import CallFailed, StepdownError
from stepdown.models.http.api_errors import ApiError, api_error_of
from stepdown.models.http.dialects.dialect import Answer, AnswerChoice, CompletionRequest, sent_fields
from stepdown.models.http.endpoints import Endpoint
from stepdown.models.http.finish_reasons import WHOLE, read_finish
from stepdown.models.http.form_refusals import form_failure
from stepdown.models.http.http_errors import find_refused_field, quote, read_error, read_failure
from stepdown.models.http.limits import RetryableError
from stepdown.models.http.lost_replies import report_break, report_loss
from stepdown.models.http.replies import read_replies, texts_of
from stepdown.models.http.streaming import Events, StreamedReply
from stepdown.types import Reply

_STARTS = (b"data:", b"event:", b":")


class FieldRefused(Exception):
    """The endpoint refuses one field of a request; `failure` is what its refusal means where it was not sent."""

    def __init__(self, field: str, failure: Exception) -> None:
        super().__init__(field)
        self.field, self.failure = field, failure


@contextmanager
def reading_answer(what: str) -> Iterator[None]:
    """Turn whatever reading an endpoint's words raises into a `RetryableError`: no list of exceptions is ever whole."""
    try:
        yield
    except (StepdownError, RetryableError, FieldRefused):
        raise
    except Exception as error:
        raise RetryableError(f"{what} that cannot be read ({type(error).__name__})") from error


def read_refusal(
    endpoint: Endpoint, status: int, headers: Mapping[str, str], error: ApiError, request: CompletionRequest
) -> Exception:
    """Return what a status that is not 200 means, `FieldRefused` where the request can be adapted."""
    failure = read_failure(endpoint, status, headers, error)
    field = find_refused_field(status, error, sent_fields(endpoint.dialect, request))
    if field:
        return FieldRefused(field, failure)
    form = request.sampling.form
    return failure if form is None else form_failure(endpoint, status, error, form, failure)


def read_answer(
    endpoint: Endpoint,
    raw: bytes,
    headers: Mapping[str, str],
    request: CompletionRequest,
    broken: Exception | None,
) -> tuple[Answer, int]:
    """Return the answer in a response of status 200 with the choices that can be used, and how many there were.

    What can be read is kept, whatever is wrong beside it: an error beside a whole text, a connection that `broken`
    says was cut after it. Raises what stands for an answer that is none, whose cost is reported if it has one.
    """
    answer = _decode(endpoint, raw, request, broken)
    choices = [choice for choice in answer.choices if choice.text is not None]
    error = answer.error or next((one.error for one in answer.choices if one.error), None)
    if error and not any(map(_is_whole, choices)):
        _report_loss(answer)
        found = api_error_of(error)
        field = find_refused_field(found.status or 400, found, sent_fields(endpoint.dialect, request))
        failure = read_error(endpoint, error, headers)
        raise FieldRefused(field, failure) if field else failure
    if not choices:
        _report_loss(answer)
        raise RetryableError("a reply with no choices", paid=answer.usage is not None)
    kept = [choice for choice in choices if read_finish(choice.finish) != "broken"]
    if not kept:
        _report_loss(answer)
        reason = quote(endpoint, str(choices[0].finish))
        raise RetryableError(f"the endpoint broke the reply off (`{reason}`)", paid=True)
    answer.choices = kept
    return answer, len(choices)


def _report_loss(answer: Answer) -> None:
    texts = [text for choice in answer.choices for text in texts_of(choice)]
    report_loss("".join(texts), answer.usage)


def _is_whole(choice: AnswerChoice) -> bool:
    """Whether a choice says itself that it is a whole text."""
    return bool(choice.text) and str(choice.finish).lower() in WHOLE


def _decode(endpoint: Endpoint, raw: bytes, request: CompletionRequest, broken: Exception | None) -> Answer:
    try:
        start = raw[:64].lstrip(b"\xef\xbb\xbf\x00 \r\n\t")
        if start.startswith(_STARTS) and b"data:" in raw:
            return _decode_stream(endpoint, raw)
        return endpoint.dialect.decode(raw)
    except msgspec.DecodeError as error:
        if broken is not None:
            report_break(broken, request.n)
            raise broken from None
        if raw.lstrip()[:1] == b"<":
            raise RetryableError("200 with a web page in place of JSON", mark="html") from None
        raise RetryableError(f"malformed JSON in the reply ({str(error)[:200]})") from None


def _decode_stream(endpoint: Endpoint, raw: bytes) -> Answer:
    """Return the answer in the events of a server that streams though it was not asked to."""
    events, reply = Events(endpoint.dialect.event_decoder()), StreamedReply()
    for event in (*events.add(raw), *events.end()):
        reply.add(event)
    if reply.error or (reply.begun and reply.finished):
        answer = reply.whole()
        answer.error = reply.error
        return answer
    raise msgspec.DecodeError("a stream that ended early")


def close_stream(endpoint: Endpoint, reply: StreamedReply, headers: Mapping[str, str]) -> Answer:
    """Return the answer of a stream that has ended; raises `CallFailed`, for nothing may ask it again."""
    answer = reply.whole()
    [choice] = answer.choices
    name = f"the stream of `{endpoint.name}`"
    if reply.error and not _is_whole(choice):
        failure = read_error(endpoint, reply.error, headers)
        if isinstance(failure, RetryableError):
            raise CallFailed(f"{name} ended in an error: {failure.reason}", "ask again")
        raise failure
    if not reply.begun or not reply.finished:
        raise CallFailed(f"{name} ended early", "ask again")
    if read_finish(choice.finish) == "broken":
        raise CallFailed(f"{name} was broken off (`{quote(endpoint, str(choice.finish))}`)", "ask again")
    return answer


def read_batched(endpoint: Endpoint, raw: bytes, request: CompletionRequest) -> list[Reply]:
    """Return the replies in the answer to a request of a batch. Raises as `read_answer` does."""
    with reading_answer("a reply"):
        answer, _ = read_answer(endpoint, raw, {}, request, None)
        return read_replies(answer, endpoint.model, 0.0, request.sampling, request.n)
