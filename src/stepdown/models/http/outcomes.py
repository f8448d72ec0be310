"""What came of a request: replies, an error that is to be adapted to, or one of those that `limits` knows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from stepdown.errors import CallFailed, StepdownError
from stepdown.models.http.api_errors import ApiError, api_error_of
from stepdown.models.http.endpoints import Endpoint
from stepdown.models.http.finish_reasons import WHOLE, read_finish
from stepdown.models.http.http_errors import find_unwelcome, quote, read_error, read_failure
from stepdown.models.http.limits import Fault
from stepdown.models.http.lost_replies import report_loss
from stepdown.models.http.streaming import Events, Gathering
from stepdown.models.http.wire import (
    Answer,
    Body,
    Choice,
    decode_answer,
    is_readable,
    join_content,
    read_texts,
    usage_of,
)

_STARTS = (b"data:", b"event:", b":")


class Unwelcome(Exception):
    """The endpoint refuses to be told one field; `failure` is what its refusal means where it was not sent."""

    def __init__(self, field: str, failure: Exception) -> None:
        super().__init__(field)
        self.field, self.failure = field, failure


@contextmanager
def foreign(what: str) -> Iterator[None]:
    """Turn whatever reading an endpoint's words raises into a `Fault`: no list of exceptions is ever whole."""
    try:
        yield
    except (StepdownError, Fault, Unwelcome):
        raise
    except Exception as error:
        raise Fault(f"{what} that cannot be read ({type(error).__name__})") from error


def read_refusal(
    endpoint: Endpoint, status: int, headers: Mapping[str, str], trouble: ApiError, body: Body
) -> Exception:
    """Return what a status that is not 200 means, `Unwelcome` where the request can be adapted."""
    failure = read_failure(endpoint, status, headers, trouble)
    field = find_unwelcome(status, trouble, body)
    return Unwelcome(field, failure) if field else failure


def judge(
    endpoint: Endpoint, raw: bytes, headers: Mapping[str, str], body: Body, broken: Exception | None
) -> tuple[Answer, int]:
    """Return the answer in a response of status 200 with the choices that can be used, and how many there were.

    What can be read is kept, whatever is wrong beside it: an error beside a whole text, a connection that `broken`
    says was cut after it. Raises what stands for an answer that is none, which is noted as spent if it was paid for.
    """
    answer = _decode(raw, broken)
    choices = [choice for choice in answer.choices or () if is_readable(choice)]
    error = answer.error or next((one.error for one in answer.choices or () if one.error), None)
    if error and not any(map(_is_whole, choices)):
        _spend(answer)
        trouble = api_error_of(error)
        field = find_unwelcome(trouble.status or 400, trouble, body)
        failure = read_error(endpoint, error, headers)
        raise Unwelcome(field, failure) if field else failure
    if not choices:
        _spend(answer)
        raise Fault("a reply with no choices", paid=usage_of(answer) is not None)
    kept = [choice for choice in choices if read_finish(choice.finish_reason) != "broken"]
    if not kept:
        _spend(answer)
        said = quote(endpoint, str(choices[0].finish_reason))
        raise Fault(f"the endpoint broke the reply off (`{said}`)", paid=True)
    answer.choices = kept
    return answer, len(choices)


def _spend(answer: Answer) -> None:
    texts = [text for choice in answer.choices or () if is_readable(choice) for text in read_texts(choice)]
    report_loss("".join(texts), usage_of(answer))


def _is_whole(choice: Choice) -> bool:
    """Whether a choice says itself that it is a whole text."""
    spoken = choice.message or choice.delta
    text = join_content(spoken) if spoken else choice.text
    return bool(text) and str(choice.finish_reason).lower() in WHOLE


def _decode(raw: bytes, broken: Exception | None) -> Answer:
    try:
        start = raw[:64].lstrip(b"\xef\xbb\xbf\x00 \r\n\t")
        if start.startswith(_STARTS) and b"data:" in raw:
            return _decode_stream(raw)
        return decode_answer(raw)
    except msgspec.DecodeError as error:
        if broken is not None:
            raise broken from None
        if raw.lstrip()[:1] == b"<":
            raise Fault("200 with a web page in place of JSON", mark="html") from None
        raise Fault(f"malformed JSON in the reply ({str(error)[:200]})") from None


def _decode_stream(raw: bytes) -> Answer:
    """Return the answer in the events of a server that streams though it was not asked to."""
    events, gathering = Events(), Gathering()
    for event in (*events.add(raw), *events.end()):
        gathering.add(event)
    if gathering.error or (gathering.begun and gathering.finished):
        answer = gathering.whole()
        answer.error = gathering.error
        return answer
    raise msgspec.DecodeError("a stream that ended early")


def close_stream(endpoint: Endpoint, gathering: Gathering, headers: Mapping[str, str]) -> Answer:
    """Return the answer of a stream that has ended; raises `CallFailed`, for nothing may ask it again."""
    answer = gathering.whole()
    [choice] = answer.choices or [Choice()]
    name = f"the stream of `{endpoint.name}`"
    if gathering.error and not _is_whole(choice):
        failure = read_error(endpoint, gathering.error, headers)
        if isinstance(failure, Fault):
            raise CallFailed(f"{name} ended in an error: {failure.reason}", "ask again")
        raise failure
    if not gathering.begun or not gathering.finished:
        raise CallFailed(f"{name} ended early", "ask again")
    if read_finish(choice.finish_reason) == "broken":
        raise CallFailed(f"{name} was broken off (`{quote(endpoint, str(choice.finish_reason))}`)", "ask again")
    return answer
