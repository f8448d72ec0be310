"""Why replies end, in the words of every server that is known, and in words that nobody knows."""

import pytest

from chat_calls import ask_url
from raw_server import as_json, raw_server, said
from stepdown.models.http.finish_reasons import read_finish
from stepdown.store import Store
from stepdown.types import Call, Message, Reply, Sampling, Trace
from worlds import sums


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("stop", "stop STOP eos eos_token end_turn stop_sequence tool_calls tool_use function_call COMPLETE FINISH"),
        ("stop", "FinishReason.STOP FINISH_REASON_STOP endTurn end-turn stop_sequence:x endoftext done null"),
        ("length", "length max_tokens MAX_TOKENS model_length model_context_window_exceeded max_output_tokens"),
        ("length", "FinishReason.MAX_TOKENS token_limit LENGTH limit maxTokens"),
        ("filter", "content_filter content-filter contentFilter SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII"),
        ("filter", "content_filter:hate sensitive refusal guardrail_intervened CONTENT_FILTERED ERROR_TOXIC"),
        ("broken", "abort error ERROR insufficient_system_resource network_error cancelled USER_CANCEL timeout"),
        ("unknown", "OTHER LANGUAGE pause_turn MALFORMED_FUNCTION_CALL repetition FINISH_REASON_UNSPECIFIED"),
        ("unknown", "stopgap lengthy 1 終 --- not_finished"),
    ],
)  # fmt: skip
def test_only_what_is_known_to_be_whole_is_whole(ending: str, words: str) -> None:
    assert {word: read_finish(word) for word in words.split()} == dict.fromkeys(words.split(), ending)


@pytest.mark.parametrize("word", ["content_filter: hate speech", "Content Filter", "max tokens"])
def test_words_with_blanks_are_read(word: str) -> None:
    assert read_finish(word) in {"filter", "length"}


@pytest.mark.parametrize("finish", [1, 0, True, ["stop"], {"type": "stop"}, 2.5, "x" * 100_000])
def test_a_reason_that_is_no_word_is_unknown_and_the_text_is_kept(finish: object) -> None:
    with raw_server(as_json(said(finish=finish))) as server:
        [reply] = ask_url(server.url)
    assert (reply.text, reply.finish) == ("It is 4.", "unknown")


@pytest.mark.parametrize("finish", ["length", "filter", "unknown"])
def test_what_is_not_known_to_be_whole_counts_as_cut(finish: str, store: Store) -> None:
    [problem] = sums(1)
    reply = Reply("It is", "m", finish=finish)  # type: ignore[arg-type]
    call = Call("student", "m", (Message("user", "?"),), Sampling(), reply)
    assert Trace(problem, "direct", calls=(call,)).truncated
