"""A real model in this process follows its reference, keeps its promises, and shares its engine."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chat_calls import run
from stepdown.errors import MissingExtra, PromptTooLong, UnknownName, UsageError
from stepdown.models.local.embedded import EmbeddedModel, draw_seeds
from stepdown.models.local.llamacpp import LlamaEngine
from stepdown.models.local.loading import load_embedded
from stepdown.models.local.places import openvino_place
from stepdown.models.stop_strings import cut_at_stop
from stepdown.models.weights.gguf import openvino_copy, read_header
from stepdown.types import Message, Reply, Sampling

extras = all(find_spec(package) for package in ("openvino_genai", "xllamacpp", "gguf"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not extras, reason="needs the extra `embedded`")]

# Greedy tokens of transformers 5.23 with torch 2.13.0 in float32, of the GGUF file itself (from_pretrained with
# gguf_file=), chat template applied, 40 new tokens at most. The second choice is at least 1.2 nats behind at every
# token, so that arithmetic of another width or order of summation changes no word.
CAT = ("Repeat after me: the cat sat on the mat.", "The cat sat on the mat.", -0.268)
COUNT = ("Count from 1 to 10.", "1. 1\n2. 2\n3. 3\n4. 4\n5. 5\n6. 6\n7. 7\n8. 8\n", -0.136)
T = TypeVar("T")
APPLES = "Tom has 3 boxes with 4 apples in each box. He eats 2 apples. How many apples are left?"
STORY = "Tell me a short story about a dog who went to sea. " * 2


@pytest.fixture(scope="session")
def model(weights: Path) -> Iterator[EmbeddedModel]:
    model = load_embedded("embedded/smollm2-135m", engine="openvino", logprobs=True)
    asyncio.run(model.prepare())
    yield model
    asyncio.run(model.close())


@pytest.fixture(scope="session")
def fallback(weights: Path) -> Iterator[EmbeddedModel]:
    model = load_embedded(weights, engine="llamacpp")
    asyncio.run(model.prepare())
    yield model
    asyncio.run(model.close())


def ask(model: EmbeddedModel, text: str, sampling: Sampling, n: int = 1) -> list[Reply]:
    return run(model.reply((Message("user", text),), sampling, n))


def listen(model: EmbeddedModel, text: str, sampling: Sampling) -> list[str | Reply]:
    async def work() -> list[str | Reply]:
        return [piece async for piece in model.stream((Message("user", text),), sampling)]

    return run(work())


@pytest.mark.parametrize(("question", "text", "logprob"), [CAT, COUNT])
def test_openvino_follows_transformers_in_float32(
    model: EmbeddedModel, question: str, text: str, logprob: float
) -> None:
    [reply] = ask(model, question, Sampling(max_tokens=40))
    assert reply.text == text
    assert reply.logprob == pytest.approx(logprob, abs=0.05)


def test_llamacpp_follows_transformers_in_float32(fallback: EmbeddedModel) -> None:
    question, text, logprob = COUNT
    [reply] = ask(fallback, question, Sampling(max_tokens=40))
    assert reply.text == text
    assert reply.logprob == pytest.approx(logprob, abs=0.05)


def test_greedy_text_repeats_byte_for_byte_one_at_a_time(model: EmbeddedModel) -> None:
    first, second = (ask(model, STORY, Sampling(max_tokens=30))[0].text for _ in range(2))
    assert first == second


def test_eight_at_once_are_eight_answers_to_eight_questions(model: EmbeddedModel) -> None:
    async def ask_all() -> list[list[Reply]]:
        asked = [(Message("user", f"Repeat the number {n}{n}{n}."),) for n in range(1, 9)]
        return await asyncio.gather(*(model.reply(messages, Sampling(max_tokens=24)) for messages in asked))

    texts = [reply.text for [reply] in run(ask_all())]
    assert sum(f"{n}{n}{n}" in text for n, text in enumerate(texts, 1)) >= 7


@pytest.mark.parametrize("engine", ["model", "fallback"])
def test_tokens_are_counted_and_the_limit_is_said(engine: str, request: pytest.FixtureRequest) -> None:
    [short] = ask(request.getfixturevalue(engine), APPLES, Sampling(max_tokens=5))
    assert short.usage is not None
    assert (short.finish, short.usage.input, short.usage.output) == ("length", 55, 5)


def test_a_reply_that_ends_by_itself_says_stop(model: EmbeddedModel) -> None:
    [reply] = ask(model, CAT[0], Sampling(max_tokens=40))
    assert (reply.finish, reply.model) == ("stop", "embedded/smollm2-135m")
    assert reply.seconds > 0


@pytest.mark.parametrize("engine", ["model", "fallback"])
def test_a_stop_string_ends_the_reply_before_it(engine: str, request: pytest.FixtureRequest) -> None:
    [reply] = ask(request.getfixturevalue(engine), APPLES, Sampling(max_tokens=40, stop=("ples each", "zzz")))
    assert reply.text == "Tom has 3 boxes with 4 ap"
    assert reply.finish == "stop"


@pytest.mark.parametrize("engine", ["model", "fallback"])
@pytest.mark.parametrize("stop", [(), ("ples each", "zzz")])
def test_a_stream_is_the_greedy_text_in_pieces(
    engine: str, stop: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    chosen, sampling = request.getfixturevalue(engine), Sampling(max_tokens=24, stop=stop)
    *pieces, streamed = listen(chosen, APPLES, sampling)
    [whole] = ask(chosen, APPLES, sampling)
    assert isinstance(streamed, Reply) and len(pieces) > 6
    assert "".join(str(piece) for piece in pieces) == streamed.text == whole.text
    assert streamed.logprob == pytest.approx(whole.logprob, abs=0.05)
    assert streamed.finish == whole.finish
    assert (streamed.model, streamed.usage and streamed.usage.output) == (
        chosen.name,
        whole.usage and whole.usage.output,
    )


@pytest.mark.parametrize("engine", ["model", "fallback"])
def test_pieces_are_whole_characters(engine: str, request: pytest.FixtureRequest) -> None:
    *pieces, _ = listen(request.getfixturevalue(engine), "Repeat: 你好 🙂 你好 🙂 你好 🙂", Sampling(max_tokens=30))
    assert not [piece for piece in pieces if "\ufffd" in str(piece)]
    assert any(ord(letter) > 0x2000 for piece in pieces for letter in str(piece))


@pytest.mark.parametrize("engine", ["model", "fallback"])
def test_a_listener_who_leaves_frees_the_engine(engine: str, request: pytest.FixtureRequest) -> None:
    chosen: EmbeddedModel = request.getfixturevalue(engine)

    async def leave_then_ask() -> Reply:
        endless = (Message("user", "Count from one to ten thousand in words."),)
        for _ in range(chosen.width):
            async with aclosing(chosen.stream(endless, Sampling(temperature=1.0, max_tokens=4000))) as pieces:
                assert await anext(pieces)
        [reply] = await chosen.reply((Message("user", CAT[0]),), Sampling(max_tokens=4))
        return reply

    assert run(leave_then_ask()).seconds < 60


@pytest.mark.parametrize("engine", ["model", "fallback"])
def test_a_stream_over_the_context_fails_as_a_reply_does(engine: str, request: pytest.FixtureRequest) -> None:
    with pytest.raises(PromptTooLong, match="8192"):
        listen(request.getfixturevalue(engine), "word " * 9000, Sampling(max_tokens=4))


@pytest.mark.parametrize("engine", ["model", "fallback"])
def test_draws_differ_and_a_seed_draws_them_again(engine: str, request: pytest.FixtureRequest) -> None:
    chosen = request.getfixturevalue(engine)
    ask(chosen, STORY, Sampling(max_tokens=1))
    seeded = Sampling(temperature=1.0, max_tokens=12, seed=7)
    first, second = ([reply.text for reply in ask(chosen, STORY, seeded, 3)] for _ in range(2))
    assert len(set(first)) == 3
    assert first == second


def test_without_a_seed_every_call_draws_anew(model: EmbeddedModel) -> None:
    texts = {ask(model, STORY, Sampling(temperature=1.0, max_tokens=12))[0].text for _ in range(4)}
    assert len(texts) == 4


@pytest.mark.parametrize("engine", ["model", "fallback"])
def test_every_draw_has_its_own_usage_and_log_probability(engine: str, request: pytest.FixtureRequest) -> None:
    replies = ask(request.getfixturevalue(engine), STORY, Sampling(temperature=1.0, max_tokens=9, seed=1), 10)
    assert len({reply.logprob for reply in replies}) == 10
    assert all(reply.usage and reply.usage.output <= 9 and reply.usage.input > 25 for reply in replies)


def test_greedy_draws_are_made_once_and_given_n_times(model: EmbeddedModel) -> None:
    replies = ask(model, CAT[0], Sampling(max_tokens=40), 3)
    assert [reply.text for reply in replies] == [CAT[1]] * 3


@pytest.mark.parametrize("engine", ["model", "fallback"])
def test_a_prompt_over_the_context_fails_its_call_only(engine: str, request: pytest.FixtureRequest) -> None:
    chosen = request.getfixturevalue(engine)
    with pytest.raises(PromptTooLong, match="8192"):
        ask(chosen, "word " * 9000, Sampling(max_tokens=4))
    assert ask(chosen, APPLES, Sampling(max_tokens=5))[0].text == "Tom has 3 boxes"


@pytest.mark.parametrize("engine", ["model", "fallback"])
def test_a_cancelled_request_frees_the_engine(engine: str, request: pytest.FixtureRequest) -> None:
    chosen: EmbeddedModel = request.getfixturevalue(engine)

    async def give_up_then_ask() -> Reply:
        endless = (Message("user", "Count from one to ten thousand in words."),)
        with pytest.raises(TimeoutError):
            # Sixteen long draws: however soon one of them ends, all of them cannot in this time.
            await asyncio.wait_for(chosen.reply(endless, Sampling(temperature=1.0, max_tokens=4000), 16), 0.3)
        [reply] = await chosen.reply((Message("user", CAT[0]),), Sampling(max_tokens=4))
        return reply

    assert run(give_up_then_ask()).seconds < 60


@pytest.mark.parametrize(
    "sampling", [Sampling(max_tokens=0), Sampling(temperature=-1), Sampling(top_p=0), Sampling(top_p=1.5)]
)
def test_sampling_that_draws_nothing_is_refused(model: EmbeddedModel, sampling: Sampling) -> None:
    with pytest.raises(UsageError, match="draws nothing"):
        ask(model, "Hello", sampling)


def test_models_of_one_file_share_one_engine_across_event_loops(model: EmbeddedModel) -> None:
    other = load_embedded("smollm2-135m", engine="openvino", logprobs=True)
    assert ask(other, CAT[0], Sampling(max_tokens=40))[0].text == CAT[1]
    run(other.close())
    assert ask(model, CAT[0], Sampling(max_tokens=40))[0].text == CAT[1]


MASKS = """
import asyncio, os
from stepdown.models.local.loading import load_embedded
from stepdown.types import Message, Sampling

async def look(seen):
    async for _ in load_embedded("smollm2-135m").stream((Message("user", "Tell a story."),), Sampling(max_tokens=24)):
        seen |= {tuple(os.sched_getaffinity(int(one))) for one in os.listdir("/proc/self/task")}
    return seen

print(*asyncio.run(look(set())), sep=";")
"""


def test_no_thread_of_an_engine_is_bound_to_a_core_that_other_processes_share(weights: Path) -> None:
    # A process of its own: threads keep the mask that another test's use of OpenVINO gave them.
    done = subprocess.run([sys.executable, "-c", MASKS], capture_output=True, text=True, check=True)
    cores = tuple(os.sched_getaffinity(0))
    assert len(cores) > 1 and done.stdout.split(";") == [f"{cores}\n"]


def test_log_probabilities_are_given_where_they_are_asked_for(model: EmbeddedModel) -> None:
    plain = load_embedded("smollm2-135m", engine="openvino")
    [bare], [scored] = (ask(one, CAT[0], Sampling(max_tokens=40)) for one in (plain, model))
    run(plain.close())
    assert bare.logprob is None and scored.logprob is not None
    assert bare.text == scored.text


def test_the_weights_and_the_engine_are_part_of_a_calls_identity(model: EmbeddedModel, fallback: EmbeddedModel) -> None:
    named = load_embedded("smollm2-135m", engine="openvino-int8")
    assert named.capabilities.source == "b179c9523d0e6a0f/openvino-int8"
    here = openvino_place().source
    assert model.capabilities.source == named.capabilities.source + f"/{here}" * bool(here)
    for one in (model, named):
        elsewhere = load_embedded("smollm2-135m", engine=one.engine_elsewhere)
        assert elsewhere.capabilities.source == one.capabilities.source
    assert fallback.capabilities.source == "b179c9523d0e6a0f/llamacpp"
    assert model.capabilities.local and model.width == 32


def test_the_environment_chooses_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPDOWN_ENGINE", "llamacpp")
    assert load_embedded("smollm2-135m").engine == "llamacpp"
    monkeypatch.setenv("STEPDOWN_ENGINE", "vllm")
    with pytest.raises(UnknownName, match="vllm"):
        load_embedded("smollm2-135m")


def test_loading_openvino_writes_no_telemetry_consent(model: EmbeddedModel) -> None:
    assert not (Path.home() / "intel" / "openvino_telemetry").exists()


def test_tensors_openvino_misreads_are_rewritten_and_keep_their_values(tmp_path: Path) -> None:
    import numpy

    path = write_gguf(tmp_path / "mixed.gguf", ["Q4_1", "Q5_0", "Q8_0", "F32"])
    copy = openvino_copy(path, read_header(path), tmp_path / "converted")
    assert [tensor.kind for tensor in read_header(copy).tensors] == [8, 8, 8, 0]
    for before, after in zip(read_values(path), read_values(copy), strict=True):
        assert numpy.abs(before - after).max() <= 0.01


def test_a_file_openvino_reads_is_used_as_it_is(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "plain.gguf", ["Q8_0", "F16"])
    assert openvino_copy(path, read_header(path), tmp_path / "converted") == path


def test_a_converted_copy_is_made_once_per_file(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "old.gguf", ["Q4_1"])
    made = openvino_copy(path, read_header(path), tmp_path / "converted").stat()
    again = openvino_copy(path, read_header(path), tmp_path / "converted").stat()
    assert (made.st_ino, made.st_mtime_ns) == (again.st_ino, again.st_mtime_ns)
    assert len(list((tmp_path / "converted").iterdir())) == 1


def test_a_header_says_what_chooses_the_engine(tmp_path: Path) -> None:
    header = read_header(write_gguf(tmp_path / "some.gguf", ["Q4_1"]))
    assert (header.architecture, header.context, header.tokenizer, header.template) == (
        "mamba",
        4096,
        "gpt2",
        "{{ x }}",
    )


def test_an_architecture_openvino_does_not_know_goes_to_llamacpp(tmp_path: Path) -> None:
    assert load_embedded(write_gguf(tmp_path / "some.gguf", ["Q8_0"])).engine == "llamacpp"


@pytest.mark.parametrize("engine", ["openvino", "llamacpp"])
def test_a_file_that_an_engine_cannot_load_is_refused_by_its_name(engine: str, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "broken.gguf", ["Q8_0"])
    with pytest.raises(UsageError, match=r"broken\.gguf"):
        ask(load_embedded(path, engine=engine), "Hello", Sampling())


@pytest.mark.parametrize("length", [0, 3, 23, 40, 90, 150])
def test_a_cut_or_foreign_file_is_refused_before_any_engine_sees_it(length: int, tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "whole.gguf", ["Q8_0"]).read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[:length])
    with pytest.raises(UsageError, match="not a whole GGUF file"):
        load_embedded(tmp_path / "cut.gguf")


def test_a_missing_file_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.gguf"):
        load_embedded(tmp_path / "nowhere.gguf")


def test_an_engine_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepdown.models.local.loading.PACKAGES", {"openvino": "openvino_of_nobody"})
    with pytest.raises(MissingExtra, match=r"stepdown\[embedded\]"):
        load_embedded("smollm2-135m")


def test_seeds_of_one_call_differ_and_stay_in_the_engines_range() -> None:
    assert draw_seeds(7, 3) == draw_seeds(7, 3) != draw_seeds(8, 3)
    assert len(set(draw_seeds(7, 1000))) == 1000
    assert all(0 <= seed < 2**32 for seed in draw_seeds(None, 100))


def test_text_is_cut_at_the_first_of_the_stop_strings() -> None:
    assert cut_at_stop("one two three", ("three", "two", "")) == "one "
    assert cut_at_stop("one two three", ()) == "one two three"


def test_the_fallback_answers_with_its_port_closed_to_others(fallback: EmbeddedModel) -> None:
    from urllib.error import HTTPError
    from urllib.request import urlopen

    engine = fallback._share().result()
    assert isinstance(engine, LlamaEngine)
    with pytest.raises(HTTPError, match="401") as caught:
        urlopen(engine._server.listening_address + "/v1/models", timeout=30)
    caught.value.close()


def write_gguf(path: Path, kinds: list[str]) -> Path:
    """Write a small GGUF file, of an architecture that OpenVINO does not know, with a tensor of each kind."""
    import gguf
    import numpy

    writer = gguf.GGUFWriter(path, "mamba")
    writer.add_context_length(4096)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["a", "b", "ä" * 40])
    writer.add_chat_template("{{ x }}")
    values = numpy.linspace(-1, 1, 64 * 6, dtype=numpy.float32).reshape(6, 64)
    for number, name in enumerate(kinds):
        kind = gguf.GGMLQuantizationType[name]
        writer.add_tensor(f"tensor.{number}", gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def read_values(path: Path) -> list[Any]:
    import gguf

    tensors = gguf.GGUFReader(path).tensors
    return [gguf.quants.dequantize(tensor.data, tensor.tensor_type) for tensor in tensors]
