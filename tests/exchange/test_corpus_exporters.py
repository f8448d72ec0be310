"""Corpora go out as data that the tools they are named after read, whole or not at all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from corpora import write_corpus
from stepdown.corpus import Card, Corpus
from stepdown.errors import StepdownError, UnknownName, UsageError
from stepdown.exchange import TUNING_FORMATS, export_corpus
from stepdown.types import Chain, Grade, Problem

polars = pytest.importorskip("polars", reason="corpora need the extra `data`")
TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }} </s> {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)


def corpus_of(folder: Path, count: int = 12) -> Corpus:
    asked = (Problem(f"d/train/{n}", f"Which is {n}?", "B", ("up\u2028", "down"), "choice") for n in range(count))
    grade = Grade("right", "B", grader="pool")
    chains = (Chain(one, f"Step {n}.\n\nSo it is (b).", "t", grade=grade) for n, one in enumerate(asked))
    return write_corpus(folder, chains, card=Card(dataset="d/train"))


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return corpus_of(tmp_path / "corpus")


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


QUESTION = {"role": "user", "content": "Which is 0?\nA. up\u2028\nB. down"}
ANSWER = {"role": "assistant", "content": "Step 0.\n\nSo it is (b).\nAnswer: B"}


def test_each_form_says_the_question_and_then_the_target(corpus: Corpus, tmp_path: Path) -> None:
    for to in TUNING_FORMATS:
        assert export_corpus(corpus, to, tmp_path / f"{to}.jsonl") == 12
    assert rows(tmp_path / "messages.jsonl")[0] == {"messages": [QUESTION, ANSWER]}
    assert rows(tmp_path / "openai.jsonl") == rows(tmp_path / "messages.jsonl")
    assert rows(tmp_path / "prompt-completion.jsonl")[0] == {"prompt": [QUESTION], "completion": [ANSWER]}
    turns = [{"from": "human", "value": QUESTION["content"]}, {"from": "gpt", "value": ANSWER["content"]}]
    assert rows(tmp_path / "sharegpt.jsonl")[0] == {"conversations": turns}
    whole = {"prompt": [QUESTION], "completion": [ANSWER], "messages": [QUESTION, ANSWER]}
    assert polars.read_parquet(tmp_path / "parquet.jsonl").row(0, named=True) == whole


def test_target_and_prompts_decide_what_is_written(corpus: Corpus, tmp_path: Path) -> None:
    export_corpus(corpus, "messages", tmp_path / "label.jsonl", target="label", prompts="scotd")
    first = rows(tmp_path / "label.jsonl")[0]["messages"]
    assert first[0]["content"].startswith("Q: Which is 0?") and first[1]["content"] == "So the answer is: (b)"


def test_a_system_line_of_the_prompts_goes_first_in_every_form(corpus: Corpus, tmp_path: Path) -> None:
    export_corpus(corpus, "parquet", tmp_path / "out.parquet", prompts="default")
    export_corpus(corpus, "sharegpt", tmp_path / "out.jsonl", prompts="default")
    assert [turn["role"] for turn in polars.read_parquet(tmp_path / "out.parquet")["messages"][0]] == [
        *("system", "user", "assistant")
    ]
    assert [turn["from"] for turn in rows(tmp_path / "out.jsonl")[0]["conversations"]] == ["system", "human", "gpt"]


def test_a_chain_without_a_label_is_left_out(tmp_path: Path) -> None:
    problem = Problem("d/0", "Who?", "Ann", kind="text")
    chains = [Chain(problem, "Hm.", "t", grade=Grade("wrong")), Chain(problem, "Ann.", "t", 1, Grade("right", "Ann"))]
    corpus = write_corpus(tmp_path / "corpus", chains, card=Card(dataset="d"))
    assert export_corpus(corpus, "messages", tmp_path / "out.jsonl") == 1


def test_the_entry_for_llama_factory_is_added_beside_the_others(corpus: Corpus, tmp_path: Path) -> None:
    info = tmp_path / "dataset_info.json"
    info.write_text('{"mine": {"file_name": "mine.json"}}')
    export_corpus(corpus, "sharegpt", tmp_path / "sums.jsonl")
    found = json.loads(info.read_text())
    assert found["mine"] == {"file_name": "mine.json"}
    assert found["sums"]["file_name"] == "sums.jsonl" and found["sums"]["formatting"] == "sharegpt"
    with pytest.raises(UsageError, match="has a data set `sums` already"):
        export_corpus(corpus, "sharegpt", tmp_path / "sums.json")


def refused(corpus: Corpus, folder: Path) -> Iterator[tuple[str, Path, dict[str, Any], type[StepdownError], str]]:
    (folder / "broken").mkdir()
    (folder / "broken" / "dataset_info.json").write_text("[")
    yield "gguf", folder / "x.jsonl", {}, UnknownName, "form of tuning data"
    yield "messages", folder / "x.jsonl", {"target": "chains"}, UnknownName, "did you mean `chain`"
    yield "messages", folder / "x.jsonl", {"prompts": "studnt"}, UnknownName, "did you mean `student`"
    yield "messages", folder, {}, UsageError, "is a directory"
    yield "messages", folder / "no" / "x.jsonl", {}, UsageError, "cannot write"
    yield "openai", folder / "x.json", {}, UsageError, "no .jsonl"
    yield "sharegpt", folder / "x.txt", {}, UsageError, "LLaMA-Factory cannot tell"
    yield "sharegpt", folder / "broken" / "x.jsonl", {}, UsageError, "cannot read"


def test_what_cannot_be_written_is_refused_and_leaves_nothing(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for to, path, more, error, expected in refused(corpus, tmp_path / "out"):
        with pytest.raises(error) as caught:
            export_corpus(corpus, to, path, **more)
        assert expected in str(caught.value)
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["broken", "dataset_info.json"]


def test_fewer_examples_than_openai_takes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="9 examples are too few"):
        export_corpus(corpus_of(tmp_path / "few", 9), "openai", tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("to", TUNING_FORMATS)
def test_a_corpus_of_which_nothing_is_kept_writes_no_file(corpus: Corpus, tmp_path: Path, to: str) -> None:
    with pytest.raises(UsageError, match="can be trained on"):
        export_corpus(corpus.keep("wrong"), to, tmp_path / "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_file_that_is_there_is_replaced_with_force_only(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        export_corpus(corpus, "messages", out)
    assert out.read_text() == "mine"
    assert export_corpus(corpus, "messages", out, force=True) == 12


def test_progress_is_told_the_chains_that_are_read(corpus: Corpus, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    export_corpus(corpus, "messages", tmp_path / "out.jsonl", progress=lambda *done: told.append(done))
    assert told == [(12, 12)]


# --- the tools themselves


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", "<user>", "<assistant>", "Which", "is", "Step", "So", "it", "Answer:", "B"]
    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    fast.chat_template = TEMPLATE
    return fast


def prepared(path: Path, kind: str, folder: Path) -> list[dict[str, Any]]:
    """Return the rows TRL's own trainer makes of a file, read by the loader of `datasets`."""
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    datasets = pytest.importorskip("datasets", reason="needs the extra `train`")
    data = datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(folder / "cache"))
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=16, pad_token_id=0, **sizes))
    config = SFTConfig(output_dir=str(folder / "trained"), report_to="none", use_cpu=True, bf16=False)
    return list(SFTTrainer(model, config, train_dataset=data, processing_class=tokenizer()).train_dataset)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("to", ["prompt-completion", "messages", "parquet"])
def test_trl_prepares_each_form_with_the_chat_template(corpus: Corpus, tmp_path: Path, to: str) -> None:
    pytest.importorskip("trl", reason="needs the extra `train`")
    kind = "parquet" if to == "parquet" else "json"
    export_corpus(corpus, to, tmp_path / f"out.{kind}")
    first = prepared(tmp_path / f"out.{kind}", kind, tmp_path)[0]
    words = tokenizer().convert_ids_to_tokens(first["input_ids"])
    learned = words.index("<assistant>") + 1 if to != "messages" else 0
    assert words[0] == "<user>" and words[-3:] == ["Answer:", "B", "</s>"]
    assert first["labels"] == [-100] * learned + first["input_ids"][learned:]


def test_the_entry_is_what_llama_factory_documents(corpus: Corpus, tmp_path: Path) -> None:
    export_corpus(corpus, "sharegpt", tmp_path / "sums.jsonl")
    entry = json.loads((tmp_path / "dataset_info.json").read_text())["sums"]
    assert (entry["formatting"], entry["columns"]) == ("sharegpt", {"messages": "conversations"})
    assert {turn["from"] for row in rows(tmp_path / "sums.jsonl") for turn in row["conversations"]} <= set(
        entry["tags"].values()
    )


class Spoken(msgspec.Struct, forbid_unknown_fields=True):
    role: str
    content: str


class Example(msgspec.Struct, forbid_unknown_fields=True):
    messages: list[Spoken]


def test_openais_rules_for_examples_hold(corpus: Corpus, tmp_path: Path) -> None:
    export_corpus(corpus, "openai", tmp_path / "out.jsonl", prompts="default")
    written = rows(tmp_path / "out.jsonl")
    assert len(written) == 12
    for row in written:
        turns = msgspec.convert(row, Example).messages
        assert [turn.role for turn in turns] == ["system", "user", "assistant"] and all(turn.content for turn in turns)


@pytest.mark.filterwarnings("ignore")
def test_openais_own_types_take_its_form(corpus: Corpus, tmp_path: Path) -> None:
    chat: Any = pytest.importorskip("openai.types.chat", reason="the package openai is not here")
    from pydantic import TypeAdapter

    export_corpus(corpus, "openai", tmp_path / "out.jsonl")
    turns = [turn for row in rows(tmp_path / "out.jsonl") for turn in row["messages"]]
    one = TypeAdapter(chat.ChatCompletionMessageParam)
    assert [one.validate_python(turn)["role"] for turn in turns] == ["user", "assistant"] * 12
