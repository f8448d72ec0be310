"""Errors in every form: statuses with all kinds of bodies, errors inside a 200, pauses, and what is left out."""

from typing import Any

import pytest

from chat_calls import ask_url
from raw_server import as_json, http, raw_server, said
from stepdown.errors import CallFailed, EndpointRefused, PromptTooLong
from stepdown.models.http.api_errors import read_api_error
from stepdown.models.http.retry_after import read_retry_after

WHOLE = as_json(said())
BODIES = {
    "nothing": b"",
    "a page": b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
    "words": b"upstream connect error",
    "bytes": bytes(range(256)),
    "UTF-16": '{"error": {"message": "no"}}'.encode("utf-16"),
    "a list": b'[{"error": {"code": 400, "message": "no", "status": "INVALID"}}]',
    "an empty list": b"[]",
    "null": b"null",
    "a number": b"7",
    "a code that is null": b'{"error": {"message": "no", "code": null, "type": null, "param": null}}',
    "a code that is a list": b'{"error": {"message": ["no"], "code": [1], "type": {}, "param": 3}}',
    "an error in an error": b'{"error": {"error": {"error": {"message": "no"}}}}',
    "a detail": b'{"detail": [{"loc": ["body", "x"], "msg": "no", "type": "value_error"}]}',
    "nested without end": b'{"error": ' + b"[" * 100_000,
    "cut": b'{"error": {"message": "no',
    "half a pair": b'{"error": {"message": "\\ud83d"}}',
    "escapes": b'{"error": {"message": "\\u001b[2J\\u009b31m' + b"\\n" * 500 + b'"}}',
    "a megabyte": b'{"error": {"message": "' + b"x" * 1_000_000 + b'"}}',
}
STATUSES = {
    "400 Bad": CallFailed, "401 No": EndpointRefused, "402 Pay": EndpointRefused, "403 No": EndpointRefused,
    "404 Gone": EndpointRefused, "405 No": EndpointRefused, "409 Wait": CallFailed, "413 Big": CallFailed,
    "422 Bad": CallFailed, "429 Slow": CallFailed, "451 No": CallFailed, "500 Oops": CallFailed,
    "502 Bad": CallFailed, "503 Busy": CallFailed, "529 Busy": CallFailed, "599 Odd": CallFailed,
    "302 Moved": EndpointRefused, "600 Odd": CallFailed,
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", ["400 Bad", "500 Oops"])
def test_whatever_the_body_of_an_error_is_the_call_fails_in_one_short_line(status: str, body: str) -> None:
    with raw_server(http(BODIES[body], status=status)) as server, pytest.raises(CallFailed, match=status[:3]) as caught:
        ask_url(server.url)
    assert caught.value.what.isprintable() and len(caught.value.what) < 400
    assert len(server.bodies) <= 5


@pytest.mark.parametrize("status", STATUSES)
def test_each_status_has_its_end(status: str) -> None:
    with raw_server(http(b"{}", "Location: /elsewhere", status=status)) as server:
        with pytest.raises(STATUSES[status]) as caught:
            ask_url(server.url)
        assert type(caught.value) is STATUSES[status]
        assert len(server.bodies) <= 60


def test_a_page_is_quoted_by_its_title() -> None:
    assert read_api_error(BODIES["a page"]).message == "502 Bad Gateway"


@pytest.mark.parametrize("code", [402, "402", 402.0, "insufficient_quota", "insufficient_balance"])
def test_an_error_inside_a_200_that_means_no_money_stops(code: object) -> None:
    with raw_server(as_json({"error": {"message": "no", "code": code}})) as server:
        with pytest.raises(EndpointRefused, match="no credit left"):
            ask_url(server.url)
        assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "error",
    [
        {"code": 429, "message": "slow"},
        {"code": "429", "message": "slow"},
        {"type": "rate_limit_error", "message": "slow"},
        {"status": "RESOURCE_EXHAUSTED", "message": "slow"},
        [{"code": 429}],
        {"error": {"code": 429}},
        {"code": 503},
        {"code": "overloaded_error"},
        "something went wrong",
        {"code": None},
        {"message": None, "code": None, "type": None, "status": None},
        {"code": 99999},
        {"code": 200, "message": "odd"},
        7,
        True,
        ["a", "b"],
    ],
)
def test_an_error_inside_a_200_that_may_pass_is_asked_again(error: object) -> None:
    with raw_server(as_json({"error": error, "choices": None}), WHOLE) as server:
        assert ask_url(server.url)[0].text == "It is 4."
        assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("error", "end"),
    [
        ({"code": 401, "message": "no"}, EndpointRefused),
        ({"type": "authentication_error"}, EndpointRefused),
        ({"code": "model_not_found", "message": "no"}, EndpointRefused),
        ({"code": 400, "message": "no"}, CallFailed),
        ({"code": "context_length_exceeded"}, PromptTooLong),
        ({"code": 400, "message": "maximum context length is 10"}, PromptTooLong),
    ],
)
def test_an_error_inside_a_200_ends_as_its_status_would(error: object, end: type[Exception]) -> None:
    with raw_server(as_json({"error": error})) as server, pytest.raises(end) as caught:
        ask_url(server.url)
    assert type(caught.value) is end and len(server.bodies) == 1


def test_an_error_beside_a_part_of_a_text_is_an_error_and_beside_a_whole_one_nothing() -> None:
    wrong: dict[str, Any] = {"error": {"code": 502, "message": "upstream"}}
    with raw_server(as_json(said("It", None) | wrong), as_json(said() | wrong)) as server:
        assert ask_url(server.url)[0].text == "It is 4."
        assert len(server.bodies) == 2
    with raw_server(as_json(said("It", None, **wrong)), WHOLE) as server:
        assert ask_url(server.url)[0].text == "It is 4."


@pytest.mark.parametrize(
    ("heads", "pause"),
    [
        ({"Retry-After": "20"}, 20.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": " 7 "}, 7.0),
        ({"retry-after-ms": "1500", "Retry-After": "2"}, 1.5),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
        ({"Retry-After": "999999999999"}, 999999999999.0),
        *(
            ({"Retry-After": odd}, None)
            for odd in (
                "Mon, 01 Jan 20266666666 00:00:00 GMT", "Mon, 99 Jan 2026 99:99:99 GMT", "-5", "inf", "nan", "1e9",
                "soon", "", "9" * 5000, "\udcff", "Mon, 01 Jan 2026 00:00:00 +99999999", "0x10", "1,5", ";" * 300,
            )
        ),
        ({"x-ratelimit-reset-requests": "9" * 400}, None),
    ],
)  # fmt: skip
def test_pauses_are_read_in_all_forms_and_nonsense_is_none(heads: dict[str, str], pause: float | None) -> None:
    from multidict import CIMultiDict

    assert read_retry_after(CIMultiDict(heads)) == pause
