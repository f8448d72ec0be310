"""A student folder is written whole, says what it is, and is served as it was trained."""

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import pytest

from chat_calls import run
from small_students import LINES, copied, small_model, small_student, small_tokenizer, texts
from stepdown.errors import CallFailed, PromptTooLong, UnknownName, UsageError
from stepdown.models import load_model
from stepdown.models.local.loading import load_student
from stepdown.models.weights.student_readme import student_readme
from stepdown.models.weights.students import WEIGHTS, StudentCard, StudentScore, TrainingData, read_card
from stepdown.training.students.folder import export_student, write_student
from stepdown.types import Message, Messages, Reply, Sampling

packages = ("torch", "transformers", "peft", "gguf", "openvino_genai", "altair", "vl_convert")
extras = all(find_spec(package) for package in packages)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not extras, reason="needs the extras `train`, `embedded` and `report`"),
    # peft and transformers still call names that torch has deprecated.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
T = TypeVar("T")
QUESTION = (Message("user", LINES[0]),)


def ask(folder: Path, *, engine: str, messages: Messages = QUESTION, sampling: Sampling, n: int = 1) -> list[Reply]:
    async def reply() -> list[Reply]:
        model = load_student(str(folder), engine=engine, logprobs=True)
        replies = await model.reply(messages, sampling, n)
        await model.close()
        return replies

    return run(reply())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("students")
    log = root / "log.jsonl"
    log.write_text('{"step": 1, "loss": 2.5}\n{"step": 2, "loss": 1.5, "dev": 0.25}\n{"step": 3, "lo')
    card = StudentCard(base="small", seed=4, steps=2, step=2)
    yield write_student(root / "x", small_model(), tokenizer=small_tokenizer(), card=card, log=log)


def test_a_student_folder_holds_all_of_it_and_nothing_lies_beside(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names >= {"config.json", WEIGHTS, "tokenizer.json", "chat_template.jinja", "generation_config.json"}
    assert names >= {"model.gguf", "card.json", "README.md", "curves.png", "log.jsonl"}
    assert {path.name for path in folder.parent.iterdir()} == {"x", "log.jsonl"}
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_card_is_read_as_it_was_written(folder: Path) -> None:
    card = read_card(folder)
    assert card is not None
    assert (card.base, card.seed, card.step, card.gguf, card.prompts) == ("small", 4, 2, "", "student")
    assert len(card.weights) == 64


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_the_gguf_holds_the_same_weights(kind: Literal["llama", "qwen2"], tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    written = small_student(tmp_path / "x", kind=kind)
    own = AutoModelForCausalLM.from_pretrained(written, dtype=torch.float32).state_dict()
    read = AutoModelForCausalLM.from_pretrained(written, gguf_file="model.gguf", dtype=torch.float32).state_dict()
    assert own.keys() == read.keys()
    assert all(torch.equal(own[name], read[name]) for name in own)


def test_a_gguf_base_gives_its_key_values(folder: Path, tmp_path: Path) -> None:
    from gguf import GGUFReader

    base = folder / "model.gguf"
    model, tokenizer = small_model(seed=1), small_tokenizer()
    written = write_student(tmp_path / "x", model, tokenizer=tokenizer, card=StudentCard(base="b"), base=base)
    before, after = GGUFReader(base), GGUFReader(written / "model.gguf")
    assert {name: field.contents() for name, field in before.fields.items()} == {
        name: field.contents() for name, field in after.fields.items()
    }


def test_a_q8_export_is_near_the_weights(folder: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    out = export_student(folder, tmp_path / "x.gguf", kind="q8_0")
    own = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict()
    read = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=out.name, dtype=torch.float32).state_dict()
    assert all(torch.allclose(own[name], read[name], atol=0.01) for name in own)
    assert out.stat().st_size < 0.7 * (folder / "model.gguf").stat().st_size


def test_an_export_of_the_same_kind_is_a_copy_and_overwrites_nothing(folder: Path, tmp_path: Path) -> None:
    out = export_student(folder, tmp_path / "x.gguf")
    assert out.read_bytes() == (folder / "model.gguf").read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        export_student(folder, out)
    with pytest.raises(UnknownName, match="onnx"):
        export_student(folder, tmp_path / "y", to="onnx")


@pytest.mark.parametrize("too_large", [False, True])
def test_weights_in_bfloat16_are_exported_unless_float16_cannot_hold_them(
    too_large: bool, folder: Path, tmp_path: Path
) -> None:
    import torch

    bare = copied(folder, tmp_path)
    (bare / "model.gguf").unlink()
    model = small_model().to(torch.bfloat16)
    if too_large:
        model.model.layers[0].mlp.up_proj.weight.data[0, 0] = 1e5
    model.save_pretrained(bare)
    with pytest.raises(UsageError, match="F16 cannot hold") if too_large else nullcontext():
        export_student(bare, tmp_path / "x.gguf")
    assert (tmp_path / "x.gguf").exists() != too_large


def test_an_adapter_is_kept_and_merged(tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    adapted = get_peft_model(small_model(), LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False))
    tokens = torch.arange(3, 20).unsqueeze(0)
    wanted = adapted(tokens).logits
    written = write_student(tmp_path / "x", adapted, tokenizer=small_tokenizer(), card=StudentCard(base="b"))
    merged = AutoModelForCausalLM.from_pretrained(written, dtype=torch.float32)(tokens).logits
    assert torch.allclose(wanted, merged, atol=0.05)
    assert (written / "adapter" / "adapter_model.safetensors").is_file()


def test_a_training_that_ran_away_leaves_what_was_there(tmp_path: Path) -> None:
    small_student(tmp_path / "x")
    before = (tmp_path / "x" / "card.json").read_bytes()
    model = small_model()
    model.model.norm.weight.data[0] = 1e6
    with pytest.raises(UsageError, match="ran away"):
        write_student(tmp_path / "x", model, tokenizer=small_tokenizer(), card=StudentCard(base="b"), force=True)
    assert (tmp_path / "x" / "card.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_folder_that_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    first = load_student(str(small_student(tmp_path / "x"))).capabilities.source
    with pytest.raises(UsageError, match="exists already"):
        small_student(tmp_path / "x")
    second = load_student(str(small_student(tmp_path / "x", seed=1, force=True))).capabilities.source
    assert first != second


def test_force_never_replaces_a_folder_that_is_no_student(tmp_path: Path) -> None:
    small_student(tmp_path / "all" / "x")
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "all", tmp_path / "file"):
        with pytest.raises(UsageError, match="is not a student folder"):
            small_student(place, force=True)
    assert read_card(tmp_path / "all" / "x") is not None and (tmp_path / "file").read_text() == "mine"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    small_student(tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x"] and read_card(tmp_path / "x") is not None


def test_a_tokenizer_that_gguf_cannot_say_is_a_reason_in_the_card(tmp_path: Path) -> None:
    from tokenizers import normalizers

    tokenizer = small_tokenizer(normalizer=normalizers.Lowercase())
    written = write_student(tmp_path / "x", small_model(), tokenizer=tokenizer, card=StudentCard(base="b"))
    card = read_card(written)
    assert card is not None and "rewrites text" in card.gguf
    assert not (written / "model.gguf").exists()
    assert load_student(str(written)).engine == "transformers"
    with pytest.raises(UsageError, match="rewrites text"):
        load_student(str(written), engine="llamacpp")


def test_a_tokenizer_that_openvino_would_read_otherwise_is_not_written_as_gguf(tmp_path: Path) -> None:
    tokenizer = small_tokenizer(split_digits=False)
    written = write_student(tmp_path / "x", small_model(), tokenizer=tokenizer, card=StudentCard(base="b"))
    card = read_card(written)
    assert card is not None and "as other tokens than those of the training" in card.gguf
    assert load_student(str(written)).engine == "transformers"


def test_a_tokenizer_without_a_template_gets_the_plain_one(tmp_path: Path) -> None:
    tokenizer = small_tokenizer(template=None)
    written = write_student(tmp_path / "x", small_model(), tokenizer=tokenizer, card=StudentCard(base="b"))
    card = read_card(written)
    assert card is not None and card.gguf == ""
    assert tokenizer.apply_chat_template([{"role": "user", "content": "Hm?"}], tokenize=False) == "Hm?\n"


def test_hostile_words_stand_in_the_readme_as_words() -> None:
    card = StudentCard(
        base="<script>alert(1)</script>",
        notes=("# big\n\n| a | [x](javascript:1) https://x.example \x1b[2J\u202e",),
        test=(StudentScore(right=1, graded=2, total=2),),
    )
    page = student_readme(msgspec.structs.replace(card, lessons=TrainingData(dataset="`a`", problems=3)))
    assert "<script>" not in page and "[x](javascript" not in page and "\n# big" not in page
    assert "https://x" not in page and "\x1b" not in page and "\u202e" not in page
    assert "| test |  | 0 | 1 / 2 / 2 |" in page
    assert r"\| a \|" in page


def test_a_student_is_named_by_its_path_and_says_its_prompts(folder: Path, tmp_path: Path) -> None:
    model: Any = load_model(str(folder))
    assert (model.name, model.capabilities.prompts, model.engine) == (str(folder), "student", "openvino")
    bare = copied(folder, tmp_path)
    (bare / "card.json").unlink()
    (bare / "model.gguf").unlink()
    plain_folder: Any = load_model(str(bare))
    assert (plain_folder.capabilities.prompts, plain_folder.engine) == ("", "transformers")


def test_both_engines_write_the_same_greedy_text(folder: Path) -> None:
    sampling = Sampling(max_tokens=24)
    asked = [(Message("user", line),) for line in LINES]
    slow = [ask(folder, engine="transformers", messages=messages, sampling=sampling)[0] for messages in asked]
    fast = [ask(folder, engine="openvino", messages=messages, sampling=sampling)[0] for messages in asked]
    # Bytes that are no text are a mark of their own to transformers, nothing to OpenVINO.
    assert [reply.text.replace("\ufffd", "") for reply in slow] == [reply.text for reply in fast]
    assert [reply.usage for reply in slow] == [reply.usage for reply in fast]
    assert [reply.logprob for reply in slow] == pytest.approx([reply.logprob for reply in fast], abs=0.01)


def test_transformers_writes_what_its_own_generate_does(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    turns = [{"role": "user", "content": LINES[0]}]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    written = model.generate(**prompt, do_sample=False, max_new_tokens=24)[0, prompt["input_ids"].shape[1] :]
    [reply] = ask(folder, engine="transformers", sampling=Sampling(max_tokens=24))
    assert reply.text == tokenizer.decode(written, skip_special_tokens=True)


def test_a_batch_of_unequal_prompts_gives_each_its_own_text(folder: Path) -> None:
    asked: list[Messages] = [(Message("user", line * times),) for line in LINES for times in (1, 2, 3)]
    sampling = Sampling(max_tokens=12)

    alone = [ask(folder, engine="transformers", messages=messages, sampling=sampling)[0].text for messages in asked]
    assert texts(folder, "transformers", asked, sampling) == alone


def test_draws_differ_and_a_seed_repeats_them(folder: Path) -> None:
    sampling = Sampling(temperature=1.0, max_tokens=12, seed=7)
    first, second = (ask(folder, engine="transformers", sampling=sampling, n=20) for _ in range(2))
    assert [reply.text for reply in first] == [reply.text for reply in second]
    assert len({reply.text for reply in first}) > 10


def test_a_small_top_p_draws_the_greedy_text(folder: Path) -> None:
    drawn = ask(folder, engine="transformers", sampling=Sampling(temperature=1.0, top_p=1e-6, max_tokens=12, seed=1))
    assert drawn[0].text == ask(folder, engine="transformers", sampling=Sampling(max_tokens=12))[0].text


def test_the_limit_and_the_stop_string_end_a_reply(folder: Path) -> None:
    [whole] = ask(folder, engine="transformers", sampling=Sampling(max_tokens=8))
    assert whole.finish == "length" and whole.usage is not None and whole.usage.output == 8
    stop = whole.text[3:5]
    [cut] = ask(folder, engine="transformers", sampling=Sampling(max_tokens=8, stop=(stop,)))
    assert (cut.text, cut.finish) == (whole.text[: whole.text.index(stop)], "stop")


def test_a_prompt_longer_than_the_context_is_refused(folder: Path) -> None:
    with pytest.raises(PromptTooLong, match="does not fit the `256`"):
        ask(folder, engine="transformers", messages=(Message("user", "x" * 900),), sampling=Sampling(max_tokens=4))


def test_a_token_that_the_weights_do_not_have_fails_its_call_and_no_other(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    place = copied(folder, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(place)
    tokenizer.add_tokens([f"<extra-{number}>" for number in range(200)])
    tokenizer.save_pretrained(place)

    async def both() -> Reply:
        model = load_student(str(place), engine="transformers")
        with pytest.raises(CallFailed, match="writes a token `512`"):
            await model.reply((Message("user", "<extra-199>"),), Sampling(max_tokens=2))
        [reply] = await model.reply(QUESTION, Sampling(max_tokens=2))
        await model.close()
        return reply

    assert run(both()).finish == "length"


def test_a_caller_who_leaves_takes_its_draws_along(folder: Path) -> None:
    async def leave() -> Reply:
        model = load_student(str(folder), engine="transformers")
        gone = asyncio.create_task(model.reply(QUESTION, Sampling(temperature=1.0, max_tokens=200), 16))
        await asyncio.wait([gone], timeout=0.2)
        gone.cancel()
        [reply] = await model.reply(QUESTION, Sampling(max_tokens=2))
        await model.close()
        return reply

    assert run(leave()).finish == "length"
