"""Logs of Inspect come in as runs with its scores beside ours, and runs go out as logs that Inspect reads."""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec
import pytest

import stepdown as sd
from stepdown.errors import BadRow, StepdownError
from stepdown.exchange import export_run, import_traces, other_verdicts
from stepdown.store import Run, Store, annotations_by_trace
from stepdown.types import AnswerForm, Call, Finish, Message, Problem, Reply, Sampling, Settings, ToolCall, Trace, Usage

SAMPLE: dict[str, Any] = {
    "id": 1, "epoch": 1, "input": "What is one and one?", "target": "2",
    "output": {"choices": [{"message": {"role": "assistant", "content": "It is 2."}, "stop_reason": "stop"}],
               "usage": {"input_tokens": 5, "output_tokens": 3, "input_tokens_cache_read": 4}},
    "scores": {"match": {"value": "I", "answer": "1"}},
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.sqlite") as opened:
        yield opened


def log(folder: Path, *samples: Any, name: str = "a.eval") -> Path:
    with ZipFile(folder / name, "w", ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({"eval": {"task": "sums", "model": "openai/m"}}))
        for number, sample in enumerate(samples):
            body = sample if isinstance(sample, str) else json.dumps(sample)
            archive.writestr(f"samples/{len(samples) - number}_epoch_1.json", body)
    return folder / name


def traced(store: Store, **drawn: Any) -> Run:
    teacher, student = sd.ScriptedModel(["1. Add."] * 2), sd.ScriptedModel(["Answer: 1", "Answer: 2"])
    problems = sd.load_problems("wordsums", limit=2)
    return sd.run(problems, "trace-of-thought", teacher=teacher, student=student, store=store, **drawn)


def test_a_log_is_a_run_with_its_scores_beside_ours(store: Store, tmp_path: Path) -> None:
    run = import_traces(log(tmp_path, SAMPLE), store=store)
    (trace,) = run
    assert (run.settings.dataset, run.settings.student, trace.solution) == ("sums", "openai/m", "It is 2.")
    usage = trace.calls[0].reply.usage
    assert usage is not None and (usage.input, usage.cached, usage.output) == (9, 4, 3)
    assert run.summary().right == 1
    assert [(one.grader, one.right, one.differing) for one in other_verdicts(run)] == [("inspect/match", 0, 1)]


def test_numbers_that_are_none_are_read_as_inspect_writes_them(store: Store, tmp_path: Path) -> None:
    scores = {"mean": {"value": float("nan"), "answer": "NaN \\"}, "low": {"value": float("-inf")}}
    path = log(tmp_path, {**SAMPLE, "scores": scores})
    with ZipFile(path) as archive:
        assert b'"value": NaN, "answer": "NaN' in archive.read("samples/1_epoch_1.json")
    run = import_traces(path, store=store)
    [(_, mean)], [(_, low)] = run.graded("inspect/mean"), run.graded("inspect/low")
    assert (mean.verdict, mean.found, low.verdict) == ("ungraded", "NaN \\", "ungraded")


def test_a_run_goes_out_and_comes_back_with_teacher_plans_and_ids(store: Store, tmp_path: Path) -> None:
    run = traced(store, sampling=Sampling(0.7, 0.9, 50, seed=3, stop=("END",)))
    drawn = {call.role: call.sampling for trace in run for call in trace.calls}
    assert drawn["student"] == Sampling(0.7, 0.9, 50, seed=3, stop=("END",)) != drawn["teacher"]
    assert export_run(run, "inspect", tmp_path / "out.eval") == 2
    back = import_traces(tmp_path / "out.eval", store=store)
    assert [*back] == [*run] and [call.role for call in next(iter(back)).calls] == ["teacher", "student"]
    assert msgspec.structs.replace(back.settings, origin="") == run.settings and back.id != run.id
    assert [one.right for one in other_verdicts(back)] == [run.summary().right]


def called(store: Store, sampling: Sampling, reply: Reply) -> Run:
    problem, messages = Problem("p/0", "1 + 1?", "2"), (Message("user", "1 + 1?"),)
    call = Call("student", "asked", messages, sampling, reply)
    run = store.open_run(Settings(dataset="p", problems="", count=1, method="direct", student="asked"))
    run.put_trace(0, Trace(problem, "direct", calls=(call,), solution=reply.text), source="here")
    return run


@pytest.mark.parametrize("finish", get_args(Finish))
def test_a_call_comes_back_with_its_sampling_its_end_and_the_model_that_replied(
    finish: Finish, store: Store, tmp_path: Path
) -> None:
    sampling = Sampling(0.7, 0.9, 50, seed=3, stop=("END",), reasoning_effort="low")
    run = called(store, sampling, Reply("2", "answering", usage=Usage(5, 3), finish=finish, reasoning="Hm."))
    export_run(run, "inspect", tmp_path / "out.eval")
    ((back,), (trace,)) = import_traces(tmp_path / "out.eval", store=store), run
    assert back.calls == trace.calls and back.calls[0].reply.model == "answering"


@pytest.mark.parametrize(("reason", "finish"), [("tool_calls", "stop"), ("model_length", "length"), ("new", "unknown")])
def test_an_end_that_we_do_not_write_is_read(reason: str, finish: Finish, store: Store, tmp_path: Path) -> None:
    choice = {"message": {"role": "assistant", "content": "2"}, "stop_reason": reason}
    (trace,) = import_traces(log(tmp_path, {**SAMPLE, "output": {"choices": [choice]}}), store=store)
    assert (trace.calls[0].reply.finish, trace.calls[0].reply.model) == (finish, "openai/m")


def test_sampling_that_cannot_be_is_read_as_the_default(store: Store, tmp_path: Path) -> None:
    config = {"top_p": 0, "seed": 1 << 63, "reasoning_effort": "xhigh", "temperature": -1, "max_tokens": 0}
    run = import_traces(
        log(tmp_path, {**SAMPLE, "events": [{**EVENTS[0], "input_refs": [], "config": config}]}), store=store
    )
    assert [trace.calls[0].sampling for trace in run] == [Sampling()]


EVENTS: list[dict[str, Any]] = [
    {"event": "model", "model": "m", "role": role, "input_refs": refs, "output": {"choices": [
        {"message": {"role": "assistant", "content": said}, "stop_reason": "stop"}]}}
    for role, refs, said in ((None, [[0, 1]], "One?"), (None, [[0, 3]], "attachment://0"), ("grader", [[3, 4]], "C"))
]  # fmt: skip
TURNS = [
    {"role": role, "content": text}
    for role, text in (("user", "Add."), ("assistant", "One?"), ("user", "Yes."), ("user", "Right?"))
]


def test_an_attempt_that_failed_comes_back_without_an_answer(store: Store, tmp_path: Path) -> None:
    events = [{**one, "input_refs": []} for one in EVENTS]
    run = import_traces(log(tmp_path, {**SAMPLE, "events": events, "output": {"choices": []}}), store=store)
    export_run(run, "inspect", tmp_path / "out.eval")
    ((back,), (trace,)) = import_traces(tmp_path / "out.eval", store=store), run
    assert back.calls == trace.calls and trace.calls[-1].reply.text
    assert (back.solution, back.error) == (trace.solution, trace.error) == (None, "the log has no reply")


ADDING = {"id": "c", "function": "add", "arguments": {"x": "attachment://0", "y": 10**30}}
TOOL_TURNS = [
    {"role": "system", "content": "Use tools."}, {"role": "user", "content": "1 + 1?"},
    {"role": "assistant", "content": "", "tool_calls": [ADDING]}, {"role": "tool", "content": "2", "tool_call_id": "c"},
    {"role": "user", "content": "Well?"},
]  # fmt: skip
TOOL_EVENTS: list[dict[str, Any]] = [
    {"event": "model", "model": "m", "input_refs": [[0, last]], "tools": [{"name": "add", "description": "Adds."}],
     "tool_choice": "any", "output": {"choices": [{"message": {"role": "assistant", **said}, "stop_reason": why}]}}
    for last, said, why in ((2, {"content": "", "tool_calls": [ADDING]}, "tool_calls"), (5, {"content": "2"}, "stop"))
]  # fmt: skip


def with_tools(folder: Path) -> Path:
    sample = {**SAMPLE, "events": TOOL_EVENTS, "events_data": {"messages": TOOL_TURNS}, "attachments": {"0": "one"}}
    return log(folder, sample)


def test_calls_of_tools_their_results_and_the_tools_come_in(store: Store, tmp_path: Path) -> None:
    (trace,) = import_traces(with_tools(tmp_path), store=store)
    first, last = trace.calls
    called = ToolCall("c", "add", '{"x":"one","y":1' + 30 * "0" + "}")
    assert first.reply.tool_calls == (called,) and [turn.content for turn in last.messages[1:]] == ["1 + 1?", "Well?"]
    form = last.sampling.form
    assert form is not None and form.tool_names == ["add"] and json.loads(form.tool_choice) == "required"
    function = {"name": "add", "arguments": called.arguments}
    assert [turn for turn in form.placed(last.messages) if isinstance(turn, dict)] == [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "c", "content": "2"},
    ]


def test_calls_of_tools_go_out_and_come_back_where_they_were(store: Store, tmp_path: Path) -> None:
    run = import_traces(with_tools(tmp_path), store=store)
    export_run(run, "inspect", tmp_path / "out.eval")
    ((back,), (trace,)) = import_traces(tmp_path / "out.eval", store=store), run
    for ours, theirs in zip(trace.calls, back.calls, strict=True):
        assert (theirs.messages, theirs.reply.tool_calls) == (ours.messages, ours.reply.tool_calls)
    before, after = (one.calls[1].sampling.form or AnswerForm() for one in (trace, back))
    assert before.turns == after.turns != "" and before.tools != after.tools == ""


@pytest.mark.parametrize(
    "bad",
    [
        "[1,2",
        "[1]",
        '[["a",{}]]',
        '[[0,{"role":"assistant","tool_calls":[1]}]]',
        '{"type":1}',
        '[[1e400,{"role":"tool"}]]',
    ],
)
def test_a_form_that_a_file_says_and_that_cannot_be_is_none(bad: str, store: Store, tmp_path: Path) -> None:
    form = AnswerForm(response_format=bad, tools=bad, turns=bad)
    assert (form.kind, form.tool_names, form.words) == ("", [], [])
    export_run(called(store, Sampling(form=form), Reply("2", "m")), "inspect", tmp_path / "out.eval")
    ((trace,),) = (import_traces(tmp_path / "out.eval", store=store),)
    assert trace.calls[0].messages == (Message("user", "1 + 1?"),) and trace.calls[0].sampling.form is None


def test_further_targets_are_a_remark_as_the_first_is_the_gold(store: Store, tmp_path: Path) -> None:
    run = import_traces(log(tmp_path, {**SAMPLE, "target": ["two", "2"]}, SAMPLE), store=store)
    assert {trace.problem.answer for trace in run} == {"two", "2"}
    [(_, (remark,))] = annotations_by_trace(run).items()
    assert (remark.answer, remark.author) == ("The log has further targets: `2`", "file")


def test_a_call_that_failed_is_no_reply(store: Store, tmp_path: Path) -> None:
    failed = {**EVENTS[0], "input_refs": [], "error": "ConnectionError()"}
    failed["output"] = {"choices": [{"message": {"role": "assistant", "content": ""}, "stop_reason": "stop"}]}
    well = {**EVENTS[0], "input_refs": []}
    (trace,) = import_traces(log(tmp_path, {**SAMPLE, "events": [failed, well]}), store=store)
    assert [call.reply.text for call in trace.calls] == ["One?"]


def chunked(folder: Path, **parts: Any) -> Path:
    """Write a log whose sample stands in parts: its shell, and its sequences by chunks of two."""
    path = log(folder)
    with ZipFile(path, "a") as archive:
        archive.writestr("samples/a/1_epoch_1/sample.json", json.dumps(SAMPLE))
        archive.writestr("samples/a/1_epoch_1/skeleton.json", "{}")
        for name, items in parts.items():
            for start in range(0, len(items), 2):
                archive.writestr(f"samples/a/1_epoch_1/{name}/{start}.json", json.dumps(items[start : start + 2]))
    return path


def test_a_sample_in_parts_is_read_with_every_call_of_every_role(store: Store, tmp_path: Path) -> None:
    run = import_traces(chunked(tmp_path, events=EVENTS, messages=TURNS, attachments=["It is 2."]), store=store)
    (trace,) = run
    assert [(call.role, call.reply.text) for call in trace.calls] == [
        ("student", "One?"), ("student", "It is 2."), ("judge", "C"),
    ]  # fmt: skip
    assert [turn.content for turn in trace.calls[1].messages] == ["Add.", "One?", "Yes."]
    assert trace.answer == trace.calls[1] and trace.solution == "It is 2."


def test_a_log_that_says_it_is_ours_and_is_not_is_read_as_far_as_it_is_true(store: Store, tmp_path: Path) -> None:
    run = traced(store)
    metadata = {"kind": ["number"], "plan": {"text": 3}, "worked": 4, "gold_plan": {}}
    with ZipFile(tmp_path / "a.eval", "w") as archive:
        spec = {"task": "t", "model": "m", "metadata": {"stepdown": {"settings": msgspec.to_builtins(run.settings)}}}
        archive.writestr("header.json", json.dumps({"eval": spec}))
        archive.writestr("samples/1_epoch_1.json", json.dumps({**SAMPLE, "metadata": metadata}))
    (trace,) = import_traces(tmp_path / "a.eval", store=store)
    assert (trace.plan, trace.problem.kind, trace.problem.solution, trace.problem.id) == (None, "text", "", "1")


@pytest.mark.parametrize(
    ("refs", "turns"), [([[-3, 99]], 4), ([[-3, 2]], 2), ([[5, 2]], 0), ([[10**12, 10**13]], 0), ([], 0)]
)
def test_places_that_are_not_in_the_pool_are_no_turns(
    refs: list[list[int]], turns: int, store: Store, tmp_path: Path
) -> None:
    events = [{**EVENTS[0], "input_refs": refs}]
    (trace,) = import_traces(chunked(tmp_path, events=events, messages=TURNS), store=store)
    assert [[turn.content for turn in call.messages] for call in trace.calls] == [
        [turn["content"] for turn in TURNS[:turns]]
    ]


def pooled(text: str, turns: int, times: int) -> dict[str, Any]:
    """Return a sample whose one call refers to every turn of its pool a number of times."""
    pool = {"messages": [{"role": "user", "content": text}] * turns}
    return {**SAMPLE, "events_data": pool, "events": [{**EVENTS[0], "input_refs": [[0, turns]] * times}]}


def pooled_calls(text: str) -> dict[str, Any]:
    """Return a sample whose one call refers a thousand times to a turn that calls a tool with this text."""
    turn = {"role": "assistant", "tool_calls": [{"id": "c", "function": "f", "arguments": {"x": text}}]}
    return {**pooled("", 1, 1000), "events_data": {"messages": [turn]}}


def attached(size: int, times: int) -> dict[str, Any]:
    """Return a sample whose solution refers to one attachment a number of times."""
    part = {"type": "text", "text": "attachment://0"}
    choice = {"message": {"role": "assistant", "content": [part] * times}}
    return {**SAMPLE, "output": {"choices": [choice]}, "attachments": {"0": "x" * size}}


@pytest.mark.parametrize(
    "sample",
    [pooled("x" * 1_000, 2_000, 400), pooled("", 2_000, 2_000), attached(50_000, 2_000), pooled_calls("x" * 99_999)],
    ids=["turns", "empty turns", "attachment", "calls of tools"],
)
def test_references_that_multiply_a_small_log_are_refused(sample: dict[str, Any], store: Store, tmp_path: Path) -> None:
    path = log(tmp_path, SAMPLE, sample)
    assert path.stat().st_size < 20_000
    with pytest.raises(BadRow, match="67,108,864 characters") as caught:
        import_traces(path, store=store)
    assert (caught.value.line, store.runs()) == (1, [])


def test_references_up_to_the_limit_are_followed(store: Store, tmp_path: Path) -> None:
    (trace,) = import_traces(log(tmp_path, pooled("Add.", 20, 50)), store=store)
    assert [turn.content for turn in trace.calls[0].messages] == ["Add."] * 1_000


def test_samples_share_what_a_log_may_come_to(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = log(tmp_path, pooled("x" * 100, 5, 10), pooled("x" * 100, 5, 10))
    monkeypatch.setattr("stepdown.exchange.inspect_log_in.LARGEST_LOG", 10_000)
    with pytest.raises(BadRow, match="characters") as caught:
        import_traces(path, store=store)
    assert (caught.value.line, store.runs()) == (2, [])


def test_only_a_reference_is_replaced_by_an_attachment(store: Store, tmp_path: Path) -> None:
    (trace,) = import_traces(log(tmp_path, {**attached(9, 1), "input": "0"}), store=store)
    assert (trace.problem.question, trace.solution) == ("0", "x" * 9)


@pytest.mark.parametrize("bad", ["[" * 200_000, "{", '{"input": "", "target": "2"}', '{"input": "x"}', "\ud800 null"])
def test_a_bad_sample_is_refused_and_nothing_is_kept(bad: str, store: Store, tmp_path: Path) -> None:
    bad = bad.encode("utf-8", "replace").decode()
    with pytest.raises(StepdownError, match=r"samples/|question"):
        import_traces(log(tmp_path, SAMPLE, bad), store=store)
    assert store.runs() == []


@pytest.mark.parametrize(
    ("member", "said"), [("2_epoch_1/events/0.json", "sample.json"), ("2_epoch_1/more.json", "not known")]
)
def test_a_part_without_its_sample_or_of_no_known_kind_is_refused(
    member: str, said: str, store: Store, tmp_path: Path
) -> None:
    path = log(tmp_path, SAMPLE)
    with ZipFile(path, "a") as archive:
        archive.writestr(f"samples/{member}", "[]")
    with pytest.raises(StepdownError, match=said):
        import_traces(path, store=store)
    assert not store.runs()


@pytest.mark.parametrize("limit", ["LARGEST", "LARGEST_LOG"])
def test_what_unpacks_to_more_than_the_limit_is_refused(
    limit: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = log(tmp_path, SAMPLE, {**SAMPLE, "target": "x" * 100_000})
    assert path.stat().st_size < 2_000
    monkeypatch.setattr(f"stepdown.exchange.inspect_log_in.{limit}", 5_000)
    with pytest.raises(StepdownError, match=r"unpack"):
        import_traces(path, store=store)
    assert store.runs() == []


@pytest.mark.slow
@pytest.mark.skipif(find_spec("inspect_ai") is None, reason="Inspect is not installed")
def test_inspect_reads_our_log_and_we_read_what_it_writes_of_it(store: Store, tmp_path: Path) -> None:
    from inspect_ai.log import read_eval_log, write_eval_log
    from inspect_ai.log._recorders.chunked import convert_eval_logs_to_chunked

    run = traced(store)
    export_run(run, "inspect", tmp_path / "out.eval")
    found = read_eval_log(str(tmp_path / "out.eval"))
    assert found.samples and found.results and set(found.eval.model_roles or {}) == {"teacher", "student"}
    events = [(one.event, getattr(one, "role", None)) for one in found.samples[0].events]
    assert events == [("model", "teacher"), ("model", "student"), ("info", None), ("info", None)]
    assert set(found.samples[0].role_usage) == {"teacher", "student"}
    assert found.results.scores[0].metrics["accuracy"].value == run.summary().right / 2
    # Inspect packs by zstd.
    write_eval_log(found, str(tmp_path / "theirs.eval"))
    convert_eval_logs_to_chunked(str(tmp_path / "theirs.eval"), str(tmp_path / "parts"), chunk_size=1)
    for path in (tmp_path / "theirs.eval", tmp_path / "parts" / "theirs.eval"):
        back = import_traces(path, store=store)
        assert [(one.solution, one.plan) for one in back] == [(one.solution, one.plan) for one in run]
        assert [[call.role for call in one.calls] for one in back] == [["teacher", "student"]] * 2
        assert [one.right for one in other_verdicts(back)] == [run.summary().right]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("inspect_ai") is None, reason="Inspect is not installed")
def test_inspect_reads_calls_of_tools_in_our_log(store: Store, tmp_path: Path) -> None:
    from inspect_ai.log import read_eval_log

    export_run(import_traces(with_tools(tmp_path), store=store), "inspect", tmp_path / "out.eval")
    found = read_eval_log(str(tmp_path / "out.eval"))
    assert found.samples and [one.role for one in found.samples[0].messages] == [
        "system", "user", "assistant", "tool", "user", "assistant",
    ]  # fmt: skip
    first: Any = found.samples[0].events[0]
    assert first.output.message.tool_calls[0].arguments == {"x": "one", "y": 10**30}
