"""The documents of a task file: its problems, and the prompt that lm-evaluation-harness would send for each.

Source of the rules: lm_eval 0.4.13, `api/task.py` (`fewshot_context`, `build_qa_turn`) and `api/samplers.py`.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from stepdown.errors import MissingExtra, UsageError
from stepdown.exchange.lm_eval_samples import problem_of
from stepdown.exchange.lm_eval_tasks import FilesRead, TaskConfig
from stepdown.exchange.lm_eval_templates import LONGEST, Render, compile_template
from stepdown.problems import data_file, files_on_hub, is_on_hub
from stepdown.tabular import Row, read_rows
from stepdown.types import Problem

MOST = 200_000  # documents, all in memory
_MOST_SHOWN = 1 << 28  # characters of all demonstrations, which are in memory too
_SEED = 1234  # with which the harness draws demonstrations
_WAY_OUT = (
    "name each split's file in a copy of the task: dataset_path: json, dataset_kwargs: {data_files: {test: FILE}}"
)
Document = Mapping[str, Any]


class Documents:
    """A task's documents, read once when they are first needed."""

    def __init__(self, config: TaskConfig, file: Path, files: FilesRead) -> None:
        """`files` gets what is read. Raises `UsageError` for a template that is not read here."""
        self.config, self._file, self._files_read = config, file, files
        few = config.fewshot_config
        self._text = self._template(config.doc_to_text, "doc_to_text")
        self._target = self._template(config.doc_to_target, "doc_to_target")
        self._shot_text = (
            self._template(few.doc_to_text, "fewshot_config.doc_to_text") if few.doc_to_text else self._text
        )
        self._shot_target = (
            self._template(few.doc_to_target, "fewshot_config.doc_to_target") if few.doc_to_target else self._target
        )
        self._description = self._template(config.description, "description") if config.description else None
        self._drawn: list[tuple[int, ...]] = []
        self._random = Random(_SEED)

    def problems(self) -> Iterator[Problem]:
        """Stream the problems: a known benchmark's question as that has it, the task's target as gold."""
        for place, row in enumerate(self._rows):
            text, target = self._text(row.fields), self.target(place)
            # Only the prompt has it, but what does not fit must be said before anything is asked.
            self._described(row.fields)
            problem = problem_of(row, row.fields, text.strip(), target)
            yield msgspec.structs.replace(problem, id=f"{self.config.task}/{place}")

    def __len__(self) -> int:
        return len(self._rows)

    def target(self, place: int) -> str:
        """Return the gold of a document as the task has it."""
        return _answer(self._target(self._rows[place].fields), self._rows[place])

    def prompt(self, place: int) -> str:
        """Return what the harness sends for a document: description, demonstrations, question."""
        document = self._rows[place].fields
        shown = [self._shots[one] for one in self._draws(place)]
        return "".join([self._described(document), *shown, self._text(document)])

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

    def _described(self, document: Document) -> str:
        return self._description(document) if self._description else ""

    @cached_property
    def _shots(self) -> list[str]:
        """The text of each document of the pool; none where none is shown."""
        shots, length = [], 0
        for document in self._pool if self._count else ():
            shots.append(self._shot(document))
            length += len(shots[-1])
            if length > _MOST_SHOWN:
                raise UsageError(
                    f"demonstrations of `{self._file}` have over {_MOST_SHOWN:,} characters", "take a part of them"
                )
        return shots

    def _shot(self, document: Document) -> str:
        config, few = self.config, self.config.fewshot_config
        between = config.target_delimiter if few.target_delimiter is None else few.target_delimiter
        after = config.fewshot_delimiter if few.fewshot_delimiter is None else few.fewshot_delimiter
        answer = _answer(self._shot_target(document), None)
        return f"{self._shot_text(document)}{between if answer else ''}{answer}{after if answer else ''}"

    def _template(self, text: str, key: str) -> Render:
        """Return what makes a text of a document: a field by its name, else a template."""
        whole = compile_template(text, key, str(self._file))
        return lambda document: str(document[text]) if text in document else whole(document)

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
        # The harness takes a list of no indices for all.
        indices = few.fewshot_indices
        if indices and not all(0 <= one < len(pool) for one in indices):
            raise UsageError(f"`fewshot_indices` of `{self._file}` are beyond its {len(pool)} documents", "mend them")
        pool = [pool[one] for one in indices] if indices and few.sampler == "default" else pool
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
        return name if "://" in name or not beside.is_file() else beside


def _answer(text: str, row: Row | None) -> str:
    """Return a target. Raises for a list of several, which the harness takes for alternatives."""
    if len(text) >= 2 and text[0] == "[" and text[-1] == "]":
        if row is None:
            raise UsageError("a demonstration's `doc_to_target` is a list", "write the target as a text")
        raise row.bad("doc_to_target", "one target, found a list of them", "write the target as a text")
    return text
