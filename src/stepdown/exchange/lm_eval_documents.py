"""The documents of a task file: its problems, and the prompt that lm-evaluation-harness would send for each.

Source of the rules: lm_eval 0.4.13, `api/task.py` (`fewshot_context`, `build_qa_turn`) and `api/samplers.py`.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from stepdown.errors import MissingExtra, UsageError
from stepdown.exchange.lm_eval_filter_steps import choices_of
from stepdown.exchange.lm_eval_patterns import LONGEST
from stepdown.exchange.lm_eval_samples import problem_of
from stepdown.exchange.lm_eval_tasks import FilesRead, TaskConfig
from stepdown.exchange.lm_eval_turns import Document, TaskWriter
from stepdown.problems import data_file, files_on_hub, is_on_hub
from stepdown.tabular import Row, read_rows
from stepdown.types import Problem
from stepdown.untrusted import reading

MOST = 200_000  # documents, all in memory
_MOST_SHOWN = 1 << 28  # characters of all demonstrations, which are in memory too
_SEED = 1234  # with which the harness draws demonstrations
_WAY_OUT = (
    "name each split's file in a copy of the task: dataset_path: json, dataset_kwargs: {data_files: {test: FILE}}"
)


class Documents:
    """A task's documents, read once when they are first needed."""

    def __init__(self, config: TaskConfig, file: Path, files: FilesRead) -> None:
        """`files` gets what is read. Raises `UsageError` for a template that is not read here."""
        self.config, self._file, self._files_read = config, file, files
        self._writer = TaskWriter(config, str(file), lambda: self._columns)
        self._drawn: list[tuple[int, ...]] = []
        self._random = Random(_SEED)

    def problems(self) -> Iterator[Problem]:
        """Stream the problems: a known benchmark's question as that has it, the task's target as gold."""
        for place, row in enumerate(self._rows):
            document = self.document(place)
            text, golds = self._writer.text(document), self.golds(place)
            # Only the prompt has them, but what does not fit must be said before anything is asked.
            self._writer.described(document), self._writer.asked(document)
            if self._by_choices:
                self._check_choices(row)
            problem = problem_of(row, row.fields, text.strip(), next(iter(golds), ""))
            yield msgspec.structs.replace(problem, id=f"{self.config.task}/{place}")

    def __len__(self) -> int:
        return len(self._rows)

    def document(self, place: int) -> Document:
        """Return a document with all columns that any has, as tables have them."""
        fields = self._rows[place].fields
        return fields if fields.keys() >= self._columns else {**dict.fromkeys(self._columns), **fields}

    def golds(self, place: int) -> tuple[str, ...]:
        """Return what is right for a document as the task has it, of several targets each."""
        try:
            return self._writer.golds(self.document(place), several=self._several)
        except UsageError as error:
            row = self._rows[place]
            raise UsageError(f"{error.what} in `{row.file}`, line {row.line}", error.hint) from error

    def prompt(self, place: int) -> str:
        """Return what the harness sends for a document: description, demonstrations, question."""
        document = self.document(place)
        shown = [self._shots[one] for one in self._draws(place)]
        return "".join([self._writer.described(document), *shown, self._writer.asked(document)])

    def place_of(self, problem: Problem) -> int | None:
        """Return which document a problem is, by its id; None for a problem of something else."""
        name, _, place = problem.id.rpartition("/")
        known = name == self.config.task and place.isascii() and place.isdecimal() and len(place) < 10
        return int(place) if known and int(place) < len(self) else None

    def digest(self) -> bytes:
        """Return what decides the prompts beside the problems: the task's keys, and the demonstrations there are.

        Raises `UsageError` for demonstrations that cannot be shown before each document.
        """
        if self._shots and self._inside:
            for place in range(len(self)):
                self._draws(place)
        return msgspec.json.encode(self.config) + json.dumps(self._pool if self._shots else [], default=str).encode()

    @property
    def _count(self) -> int:
        return self.config.num_fewshot or 0

    @cached_property
    def _shots(self) -> list[str]:
        """The text of each document of the pool; none where none is shown."""
        shots, length = [], 0
        for document in self._pool if self._count else ():
            shots.append(self._writer.shot(document))
            length += len(shots[-1])
            if length > _MOST_SHOWN:
                raise UsageError(
                    f"demonstrations of `{self._file}` have over {_MOST_SHOWN:,} characters", "take a part of them"
                )
        return shots

    @cached_property
    def _columns(self) -> set[str]:
        return {name for row in self._rows for name in row.fields}

    @property
    def _by_choices(self) -> bool:
        filters = self.config.filter_list
        return any(step.get("function") == "multi_choice_regex" for one in filters for step in one.filter)

    def _check_choices(self, row: Row) -> None:
        try:
            choices_of(row.fields)
        except ValueError as error:
            raise row.bad("choices", f"what `multi_choice_regex` reads: {error}", "leave that filter out") from error

    @cached_property
    def _several(self) -> bool:
        """Whether targets are lists of alternatives: the first document's decides, as in the harness."""
        return bool(self._rows) and self._writer.is_several(self.document(0))

    @cached_property
    def _rows(self) -> list[Row]:
        config = self.config
        split = config.test_split or config.validation_split
        if not split:
            raise UsageError(f"`{self._file}` names no `test_split` and no `validation_split`", _WAY_OUT)
        return self._read(split)

    @cached_property
    def _pool(self) -> list[dict[str, Any]]:
        """The documents that demonstrations are drawn from."""
        config, few = self.config, self.config.fewshot_config
        split = few.split or config.fewshot_split
        if split is None and few.samples is not None:
            pool = [*few.samples]
        else:
            other = config.training_split or config.validation_split or config.test_split
            pool = [row.fields for row in self._read(split or other or "")]
        # `default` draws one more where a document could be shown before itself.
        if len(pool) < self._count + (self._inside and few.sampler == "default"):
            raise self._too_few(len(pool))
        return pool

    def _too_few(self, found: int) -> UsageError:
        return UsageError(f"`{self._file}` asks for {self._count} demonstrations of {found}", "lower `num_fewshot`")

    def _draws(self, place: int) -> tuple[int, ...]:
        """Return which documents of the pool are shown before one; drawn in order, so all before it are drawn too."""
        if not self._count:
            return ()
        while len(self._drawn) <= place:
            self._drawn.append(self._draw(self._rows[len(self._drawn)].fields if self._inside else None))
        return self._drawn[place]

    @property
    def _inside(self) -> bool:
        """Whether a document is left out of those shown before it; the harness does so where neither is named, too."""
        return (self.config.fewshot_config.split or self.config.fewshot_split) == self.config.test_split

    def _draw(self, but: Document | None) -> tuple[int, ...]:
        count, pool = self._count, self._pool
        if self.config.fewshot_config.sampler == "first_n":
            drawn = [*islice((one for one in range(len(pool)) if pool[one] != but), count)]
        elif but is None:
            drawn = self._random.sample(range(len(pool)), count)
        else:
            drawn = [one for one in self._random.sample(range(len(pool)), count + 1) if pool[one] != but][:count]
        if len(drawn) == count:
            return tuple(drawn)
        others = [one for one in range(len(pool)) if pool[one] != but]
        if len(others) < count:
            raise self._too_few(len(others))
        return tuple(self._random.sample(others, count))

    def _read(self, split: str) -> list[Row]:
        rows = []
        for path in self._files(split):
            for row in read_rows(self._files_read.add(path)):
                size = len(json.dumps(row.fields, default=str))
                if size > LONGEST:
                    raise row.bad("the row", f"at most {LONGEST:,} characters")
                rows.append(row)
                if len(rows) > MOST:
                    raise UsageError(f"`{path}` has more than {MOST:,} documents", "take a part of it")
        return rows

    def _files(self, split: str) -> list[Path]:
        config = self.config
        if config.dataset_path in ("json", "csv", "parquet"):
            given = config.dataset_kwargs.data_files
            # A list or one name is the split that `datasets` calls so.
            named = given.get(split) if isinstance(given, dict) else given if split == "train" else None
            if not named:
                raise UsageError(f"`data_files` of `{self._file}` has no split `{split[:60]}`", _WAY_OUT)
            return [data_file(self._beside(one)) for one in ([named] if isinstance(named, str) else named)]
        if config.dataset_name not in (None, "main", "default") or not is_on_hub(config.dataset_path, split):
            named_as = f"{config.dataset_path} {config.dataset_name or ''}".strip()
            what = f"`dataset_path` of `{self._file}` is `{named_as[:100]}`, whose files are not known"
            raise UsageError(what, _WAY_OUT)
        try:
            return files_on_hub(config.dataset_path, split)
        except MissingExtra:
            raise
        except UsageError as error:
            # `--data` is no way out here.
            raise UsageError(error.what, _WAY_OUT) from error

    def _beside(self, name: str) -> str | Path:
        """Return a data file's place: an address, or a path from where the task file lies, else from here."""
        beside = self._file.parent / name
        with reading(f"cannot read `data_files` of `{self._file}`", _WAY_OUT):
            return name if "://" in name or not beside.is_file() else beside
