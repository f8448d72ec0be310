"""What a student thinks of chains it is to learn from: one forward pass over them, kept in the cache for good."""

import os
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import msgspec

from stepdown.corpus.card import Content
from stepdown.corpus.targets import target
from stepdown.errors import CallFailed, UsageError
from stepdown.extras import load_numpy
from stepdown.files import write_whole
from stepdown.full_disks import unwritable
from stepdown.methods import CHAIN_OF_THOUGHT
from stepdown.models.local import (
    Asked,
    BaseLocation,
    TextScorer,
    TokenScore,
    check_libraries,
    find_base,
    load_base,
    template_of,
)
from stepdown.models.weights import CATALOGUE, find_folder, models_folder, read_card
from stepdown.prompts import PromptSet, load_prompts
from stepdown.types import Chain, Messages, Prompt, fingerprint

# What is computed of a chain; if that changes, so does this, and chains are read anew.
VERSION = 1
_CATALOGUED = {one.name for one in CATALOGUE}
# Scores that wait in memory before they are written, and for how long: what a kill costs.
_MOST_WAITING, _SECONDS = 20_000, 30.0
_MOST_FILES = 16
# Groups whose scores wait for those of one before them.
_MOST_GROUPS = 256
_SUFFIX = ".scores"


class ReadText(msgspec.Struct, frozen=True):
    """What a student reads of a chain: the question as its training asks it, and what it would learn to write."""

    question: Messages
    completion: str

    @property
    def key(self) -> int:
        """What stands for the text in the cache."""
        return int.from_bytes(blake2b(msgspec.json.encode(self), digest_size=8).digest())


class StudentScores:
    """The scores of chains under a student, a base of the catalogue or a folder, in the words its training has.

    A chain is read with its answer line and its end, as in training; one without a label as it stands. A score is
    looked up by the student's weights and the text, in files beside the models' cache: views, copies and merged corpora
    share them, and a killed pass goes on where it was. The model is loaded at the first text without a score.
    """

    def __init__(self, student: str, *, content: Content = "chain") -> None:
        check_student(student)
        self.student, self._kind = student, "plan" if content == "plan" else "chain"
        folder = find_folder(student)
        card = read_card(folder) if folder else None
        self._prompts: PromptSet = load_prompts(card.prompts if card else "student")
        self._location: BaseLocation | None = None
        self._files: ScoreFiles | None = None
        self._scorer: TextScorer | None = None
        self._encoder: _Encoder | None = None
        self.read = 0

    @property
    def source(self) -> str:
        """What stands for the student's weights; fetches those of the catalogue that are not there yet."""
        if self._location is None:
            self._location = find_base(self.student)
        return self._location.source

    def of(self, chains: Sequence[Chain]) -> list[TokenScore]:
        """Return the score of each chain; those that are not known are computed and kept."""
        return next(iter(self.stream([chains])), [])

    def stream(self, groups: Iterable[Sequence[Chain]]) -> Iterator[list[TokenScore]]:
        """Stream the scores of groups of chains, in order; groups without a score share passes of the model.

        No more than the texts of a pass are in memory. What was computed is kept also where the stream is left.
        """
        waiting, tokens = list[_Waiting](), 0
        try:
            for group in groups:
                waiting.append(self._waiting(group))
                tokens += waiting[-1].tokens
                if not tokens or tokens >= self._tokens_per_pass() or len(waiting) >= _MOST_GROUPS:
                    yield from self._read(waiting)
                    waiting, tokens = [], 0
            yield from self._read(waiting)
        finally:
            if self._files is not None:
                self._files.flush()

    def _tokens_per_pass(self) -> int:
        return self._scorer.tokens_per_pass if self._scorer else 0

    def _kept(self) -> "ScoreFiles":
        if self._files is None:
            self._files = ScoreFiles(models_folder().parent / "scores" / fingerprint((VERSION, self.source))[:24])
        return self._files

    def _text(self, chain: Chain) -> ReadText:
        made = target(chain, self._kind, prompts=self._prompts)
        if made is not None:
            return ReadText(made.question, made.completion)
        return ReadText(self._prompts.render(CHAIN_OF_THOUGHT, Prompt("solve", chain.problem)), chain.text.strip())

    def _waiting(self, group: Sequence[Chain]) -> "_Waiting":
        texts = [self._text(chain) for chain in group]
        keys = [text.key for text in texts]
        known = self._kept().find(keys)
        # Equal chains of a problem are read once.
        unread = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if not unread:
            return _Waiting(keys, known, [], [])
        if self._encoder is None:
            self._load()
        assert self._encoder is not None
        asked = list(self._encoder.asked(unread.values()))
        return _Waiting(keys, known, list(unread), asked)

    def _load(self) -> None:
        assert self.source
        assert self._location is not None
        base = load_base(self._location)
        self._encoder, self._scorer = _Encoder(base.tokenizer), TextScorer(base)

    def _read(self, waiting: Sequence["_Waiting"]) -> Iterator[list[TokenScore]]:
        asked = [one for each in waiting for one in each.asked]
        found = iter(self._scorer.score(asked) if asked and self._scorer else ())
        for each in waiting:
            scores = [score for _ in each.asked for score in next(found)]
            self.read += len(scores)
            for key, score in zip(each.texts, scores, strict=True):
                self._kept().add(key, score)
            yield each.scores(scores)


class _Waiting(msgspec.Struct, frozen=True):
    """A group of chains: the key of each, what is known, and the texts that are to be read, by key and as tokens."""

    keys: list[int]
    known: dict[int, TokenScore]
    texts: list[int]
    asked: list[Asked]

    @property
    def tokens(self) -> int:
        return sum(one.tokens for one in self.asked)

    def scores(self, read: Sequence[TokenScore]) -> list[TokenScore]:
        """Return the score of each chain, with those that were read."""
        found = self.known | dict(zip(self.texts, read, strict=True))
        return [found[key] for key in self.keys]


class _Encoder:
    """Texts as tokens, as training encodes them: the question in the chat template, the completion with its end."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self._template = tokenizer, template_of(tokenizer, "the student")

    def asked(self, texts: Iterable[ReadText]) -> Iterator[Asked]:
        """Stream prompts, each with the completions that follow on one another after it."""
        groups: list[tuple[Messages, list[str]]] = []
        for text in texts:
            if not groups or groups[-1][0] != text.question:
                groups.append((text.question, []))
            groups[-1][1].append(text.completion)
        for question, completions in groups:
            rows = self._tokenizer(completions, add_special_tokens=False, split_special_tokens=True)["input_ids"]
            yield Asked(self._prompt(question), [[*row, self._tokenizer.eos_token_id] for row in rows])

    def _prompt(self, question: Messages) -> list[int]:
        try:
            text = self._template.render(question)
        except CallFailed as error:
            raise UsageError(error.what, error.hint) from None
        tokens: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens


class ScoreFiles:
    """Scores by the key of their text, in sorted files that are written once and looked up where they lie.

    Any number of processes may add at once, each to files of its own; many small ones become one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numpy = load_numpy()
        self._row = self._numpy.dtype([("key", "<u8"), ("rank", "<f4"), ("surprisal", "<f4"), ("tokens", "<u4")])
        self._waiting: dict[int, TokenScore] = {}
        self._since = monotonic()
        self._maps = self._open()

    def find(self, keys: Sequence[int]) -> dict[int, TokenScore]:
        """Return the scores that are known, by key."""
        found = {key: self._waiting[key] for key in keys if key in self._waiting}
        wanted = self._numpy.array([key for key in keys if key not in found], dtype="<u8")
        for rows in self._maps if len(wanted) else ():
            places = self._numpy.searchsorted(rows["key"], wanted)
            for key, place in zip(wanted.tolist(), places.tolist(), strict=True):
                if place < len(rows) and int(rows["key"][place]) == key:
                    row = rows[place]
                    found[key] = TokenScore(int(row["tokens"]), float(row["rank"]), float(row["surprisal"]))
        return found

    def add(self, key: int, score: TokenScore) -> None:
        """Keep a score; it is written before long, and by `flush`."""
        self._waiting[key] = score
        if len(self._waiting) >= _MOST_WAITING or monotonic() - self._since > _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits. Raises `UsageError` where the cache cannot be written."""
        self._since = monotonic()
        if not self._waiting:
            return
        rows = [(key, one.rank, one.surprisal, one.tokens) for key, one in sorted(self._waiting.items())]
        self._write(self._numpy.array(rows, dtype=self._row))
        self._waiting = {}
        self._maps = self._open()

    def _write(self, rows: Any) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / f"{os.getpid()}-{uuid4().hex[:12]}{_SUFFIX}", rows.tobytes())
        except OSError as error:
            hint = "set STEPDOWN_CACHE to a folder that can be written: scores are kept there"
            raise unwritable(self.folder, error, hint) from error

    def _open(self) -> list[Any]:
        files = sorted(self.folder.glob(f"*{_SUFFIX}"))
        if len(files) > _MOST_FILES:
            self._join(files)
            files = sorted(self.folder.glob(f"*{_SUFFIX}"))
        return [rows for file in files if (rows := self._mapped(file)) is not None]

    def _join(self, files: Sequence[Path]) -> None:
        """Make one file of many; another process that looks one of them up still has it open."""
        parts = [(file, rows) for file in files if (rows := self._mapped(file)) is not None]
        if len(parts) < 2:
            return
        rows = self._numpy.concatenate([rows for _, rows in parts])
        _, first = self._numpy.unique(rows["key"], return_index=True)
        self._write(rows[first])
        for file, _ in parts:
            file.unlink(missing_ok=True)

    def _mapped(self, file: Path) -> Any | None:
        """Return the rows of a file, None where it has none, is gone or cut off: then its texts are read again."""
        try:
            size = file.stat().st_size
            if not size or size % self._row.itemsize:
                return None
            return self._numpy.memmap(file, dtype=self._row, mode="r")
        except OSError:
            return None


def check_student(student: str) -> None:
    """Raise, before anything is read, for a name that is no base of the catalogue, no folder and no GGUF file.

    Raises `UsageError`, and `MissingExtra` without the libraries of training.
    """
    check_libraries()
    plain = student.removeprefix("embedded/")
    path = Path(student).expanduser()
    if plain in _CATALOGUED or (student and (path.is_dir() or (path.suffix == ".gguf" and path.is_file()))):
        return
    known = ", ".join(f"`{name}`" for name in sorted(_CATALOGUED))
    raise UsageError(f"there is no student `{student}` on this machine", f"name a student's folder, or one of {known}")
