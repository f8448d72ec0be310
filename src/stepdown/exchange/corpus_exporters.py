"""Corpora into the files that tuning tools read: streamed, written beside their place and moved there whole."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from stepdown.corpus import TARGETS, Corpus, Example
from stepdown.corpus import target as example_of
from stepdown.errors import UnknownName, UsageError
from stepdown.extras import load_polars
from stepdown.files import folder_beside, replacing
from stepdown.prompts import PromptSet, load_prompts
from stepdown.types import Chain, Message, Messages

# Told the chains that are read, and all there are.
Progress = Callable[[int, int], None]
_REPORTED_EVERY = 5_000
# Rows of one part of a parquet file.
PART = 10_000
# OpenAI refuses files of fewer examples.
FEWEST = 10
INFO = "dataset_info.json"


class PromptCompletion(msgspec.Struct, frozen=True):
    """TRL's conversational prompt-completion row: only the completion is learned."""

    prompt: Messages
    completion: Messages


class Conversation(msgspec.Struct, frozen=True):
    """A row of `messages`, as TRL and OpenAI have it."""

    messages: Messages


class ShareGptTurn(msgspec.Struct, frozen=True):
    """One turn as ShareGPT has it."""

    speaker: str = msgspec.field(name="from")
    value: str


class ShareGpt(msgspec.Struct, frozen=True):
    """A row of `conversations`, as LLaMA-Factory reads it."""

    conversations: tuple[ShareGptTurn, ...]


# LLaMA-Factory takes a tag that `tags` leaves out for none, not for its default: all that occur are named.
TAGS = {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt", "system_tag": "system"}
_SPEAKERS = {"user": "human", "assistant": "gpt", "system": "system"}


def export_corpus(
    corpus: Corpus,
    to: str,
    out: str | Path,
    *,
    target: str = "chain",
    prompts: str = "student",
    force: bool = False,
    progress: Progress | None = None,
) -> int:
    """Write a corpus, or a view of one, as data to tune a model on, and return the number of rows.

    `to` is `prompt-completion` or `messages` (jsonl, for TRL), `openai` (jsonl for its fine-tuning), `sharegpt` (jsonl,
    and the entry in `dataset_info.json` beside it that LLaMA-Factory looks it up by) or `parquet` (all three columns).
    `target` and `prompts` are what `corpus.targets` makes of a chain; a chain without a label is left out. A file
    that is there is replaced with `force` only. Raises `UnknownName`, `UsageError`, `MissingExtra`; then nothing is
    written.
    """
    if to not in TUNING_FORMATS:
        raise UnknownName("form of tuning data", to, TUNING_FORMATS)
    if target not in TARGETS:
        raise UnknownName("target", target, TARGETS)
    if corpus.card.content == "preference":
        raise UsageError(
            f"`{corpus.path}` holds preferences, of which the rejected texts are nothing to imitate",
            "`stepdown train CORPUS --objective dpo` learns from them",
        )
    examples = _examples(corpus, target, load_prompts(prompts), progress)
    return TUNING_FORMATS[to](examples, Path(out).expanduser(), force)


def _examples(corpus: Corpus, target: str, prompts: PromptSet, progress: Progress | None) -> Iterator[Example]:
    total, rows = corpus.card.chains, 0
    for count, chain in enumerate(corpus, 1):
        example = example_of(chain, target, prompts=prompts)
        if example is not None:
            rows += 1
            yield _checked(example, chain)
        if progress is not None and count % _REPORTED_EVERY == 0:
            progress(count, total)
    if not rows:
        raise UsageError(f"no chain of `{corpus.name}` can be trained on", "choose milder filters, or another target")
    if progress is not None:
        progress(total, total)


def _checked(example: Example, chain: Chain) -> Example:
    if not example.completion.strip():
        what = f"chain {chain.sample} of `{chain.problem.id}` is empty"
        raise UsageError(what, "filter the corpus with `parses`, or choose another target")
    return example


def answered(example: Example) -> Messages:
    """Return the whole conversation: the question and the completion as its last turn."""
    return (*example.question, Message("assistant", example.completion))


def _prompt_completion(example: Example) -> PromptCompletion:
    return PromptCompletion(example.question, (Message("assistant", example.completion),))


def _conversation(example: Example) -> Conversation:
    return Conversation(answered(example))


def _sharegpt(example: Example) -> ShareGpt:
    return ShareGpt(tuple(ShareGptTurn(_SPEAKERS[turn.role], turn.content) for turn in answered(example)))


def _write_lines(rows: Iterable[msgspec.Struct], path: Path) -> int:
    count, encode = 0, msgspec.json.Encoder().encode
    with path.open("xb") as file:
        for row in rows:
            file.write(encode(row) + b"\n")
            count += 1
    return count


def _write_prompt_completion(examples: Iterable[Example], out: Path, force: bool) -> int:
    with replacing(out, force) as path:
        return _write_lines(map(_prompt_completion, examples), path)


def _write_messages(examples: Iterable[Example], out: Path, force: bool) -> int:
    with replacing(out, force) as path:
        return _write_lines(map(_conversation, examples), path)


def _write_openai(examples: Iterable[Example], out: Path, force: bool) -> int:
    if out.suffix != ".jsonl":
        raise UsageError(f"`{out}` is no .jsonl, and OpenAI takes nothing else", f"name it {out.stem}.jsonl")
    with replacing(out, force) as path:
        count = _write_lines(map(_conversation, examples), path)
        if count < FEWEST:
            raise UsageError(f"{count} examples are too few for OpenAI", f"it takes {FEWEST} or more; keep more chains")
        return count


def _write_sharegpt(examples: Iterable[Example], out: Path, force: bool) -> int:
    if out.suffix not in (".jsonl", ".json"):
        raise UsageError(f"LLaMA-Factory cannot tell what `{out}` is", f"name it {out.stem}.jsonl")
    info = out.with_name(INFO)
    if out.name == INFO:
        raise UsageError(f"`{INFO}` is what LLaMA-Factory looks data sets up in", "give the data another name")
    datasets = _read_info(info)
    if out.stem in datasets and not force:
        raise UsageError(f"`{info}` has a data set `{out.stem}` already", "give another name, or --force to replace it")
    entry = {
        "file_name": out.name,
        "formatting": "sharegpt",
        "columns": {"messages": "conversations"},
        "tags": TAGS,
    }
    body = msgspec.json.format(msgspec.json.encode(datasets | {out.stem: entry}), indent=2)
    with replacing(info, True) as description, replacing(out, force) as path:
        count = _write_lines(map(_sharegpt, examples), path)
        description.write_bytes(body + b"\n")
    return count


def _read_info(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError, RecursionError) as error:
        hint = "mend it, or name a file in another folder: the entry for this one is added there"
        raise UsageError(f"cannot read `{path}`: {error}", hint) from error


def _write_parquet(examples: Iterable[Example], out: Path, force: bool) -> int:
    polars = load_polars()
    rows, count = iter(examples), 0
    # Parts on disk, then one file streamed from them: polars writes no file a piece at a time.
    with replacing(out, force) as path, folder_beside(out) as folder:
        for part in iter(lambda: list(islice(rows, PART)), []):
            _frame(part).write_parquet(folder / f"part-{count:012}.parquet", compression="uncompressed")
            count += len(part)
        try:
            polars.scan_parquet(folder / "*.parquet").sink_parquet(path)
        except polars.exceptions.PolarsError as error:
            raise UsageError(f"cannot write `{out}`: {error}", "is the disk full? nothing is left of it") from error
    return count


def _frame(part: list[Example]) -> Any:
    """Return examples as the three columns of turns; built flat, which is far faster than from nested objects."""
    polars = load_polars()
    pair = polars.struct("role", "content")
    turns = [(at, turn.role, turn.content) for at, one in enumerate(part) for turn in one.question]
    questions = polars.DataFrame(turns, schema=["at", "role", "content"], orient="row")
    prompts = questions.group_by("at", maintain_order=True).agg(pair.alias("prompt")).select("prompt")
    answers = polars.DataFrame({"role": ["assistant"] * len(part), "content": [one.completion for one in part]})
    completions = answers.select(pair.reshape((-1, 1)).arr.to_list().alias("completion"))
    both = polars.concat_list("prompt", "completion").alias("messages")
    return polars.concat([prompts, completions], how="horizontal").with_columns(both)


TUNING_FORMATS: dict[str, Callable[[Iterable[Example], Path, bool], int]] = {
    "prompt-completion": _write_prompt_completion,
    "messages": _write_messages,
    "sharegpt": _write_sharegpt,
    "openai": _write_openai,
    "parquet": _write_parquet,
}
