"""The form that is the `study` verb: what it offers, and the study file that its fields give."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from stepdown.corpus.selection import load_filter, reads_elsewhere
from stepdown.errors import StepdownError, UnknownName, UsageError
from stepdown.models.weights import CATALOGUE
from stepdown.problems import datasets
from stepdown.training import TrainingStudyText, training_study_text
from stepdown.web.config import Config, DataSource

FIELDS: Mapping[str, str] = {
    "corpus": "", "base": "smollm2-135m", "test": "wordsums", "limit": "50", "chains": "1 5", "keep": "right",
    "targets": "chain", "steps": "100", "seeds": "1", "name": "",
}  # fmt: skip
FILE = "study.toml"
TARGETS = ("chain", "label", "chain label")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_MOST_FILTERS, _MOST_CHAINS = 12, 8
# A page begins no training of days.
_MOST = {"limit": 10_000, "steps": 20_000, "seeds": 20}


class StudySettings(msgspec.Struct, frozen=True, kw_only=True):
    """A study that a page asks for: `chains` per problem (0: all), filters to `keep`, students of several `seeds`."""

    corpus: str
    name: str
    base: str
    test: DataSource
    limit: int
    chains: tuple[int, ...]
    keep: tuple[str, ...]
    targets: tuple[str, ...]
    steps: int
    seeds: int

    def text(self, file: Path, corpus: Path) -> str:
        """Return the study file that says so of a corpus; it is to lie at `file`, in the folder of the students."""
        return training_study_text(
            TrainingStudyText(
                file=str(file),
                corpus=str(corpus),
                base=self.base,
                test=self.test.dataset,
                split=self.test.split,
                data=self.test.data,
                chains=self.chains,
                keep=self.keep,
                targets=self.targets,
                seeds=self.seeds,
                steps=self.steps,
                limit=self.limit,
                before=False,
                out=str(file.parent),
            )
        )


class ReadStudy(msgspec.Struct, frozen=True):
    """A form that was filled in: what it asks for, or what is wrong by field."""

    settings: StudySettings | None = None
    errors: dict[str, StepdownError] = {}


def bases(config: Config) -> tuple[str, ...]:
    """Return what a student may begin as: the models that need no hub, and those that the configuration lists."""
    return (*(one.name for one in CATALOGUE if one.name in {"smollm2-135m", "qwen2.5-coder-0.5b"}), *config.bases)


def tests(config: Config) -> dict[str, DataSource]:
    """Return the data sets that students may be tested on by the names that the form shows."""
    return {about.name: DataSource(dataset=about.name) for about in datasets()} | config.datasets


def read_study(given: Mapping[str, str], corpora: Mapping[str, Any], config: Config | None = None) -> ReadStudy:
    """Return the study that a form asks for; collects one error per invalid field."""
    known = config or Config()
    tested = tests(known)
    texts = {name: given.get(name, usual).strip()[:500] for name, usual in FIELDS.items()}
    readers: dict[str, Callable[[str], object]] = {
        "corpus": lambda text: _one_of("corpus", text, corpora),
        "base": lambda text: _one_of("base", text, bases(known)),
        "test": lambda text: tested[_one_of("data set", text, tested)],
        "targets": lambda text: tuple(_one_of("target", text, TARGETS).split()),
        "chains": _chains,
        "keep": _filters,
        "name": _name,
        **{name: _counted(name, most) for name, most in _MOST.items()},
    }
    values, errors = dict[str, Any](), dict[str, StepdownError]()
    for name, read in readers.items():
        try:
            values[name] = read(texts[name])
        except StepdownError as error:
            errors[name] = error
    return ReadStudy(errors=errors) if errors else ReadStudy(StudySettings(**values))


def _one_of(what: str, text: str, known: Any) -> str:
    if text not in known:
        raise UnknownName(what, text[:80], known)
    return text


def _counted(name: str, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:12]) <= most):
            raise UsageError(f"`{text[:20]}` is no number from 1 to {most:,}", f"write the {name} as a number")
        return int(text)

    return read


def _chains(text: str) -> tuple[int, ...]:
    words = text.split()
    if not words or len(words) > _MOST_CHAINS or not all(word.isascii() and word.isdecimal() for word in words):
        raise UsageError(f"`{text[:40]}` are no numbers of chains", "write up to 8, such as `1 5`")
    return tuple(dict.fromkeys(int(word[:6]) for word in words))


def _filters(text: str) -> tuple[str, ...]:
    filters = tuple(text.split())
    if len(filters) > _MOST_FILTERS:
        raise UsageError(f"{len(filters)} filters", f"give up to {_MOST_FILTERS}")
    for one in filters:
        if reads_elsewhere(one):
            raise UsageError(f"`{one[:80]}` reads a file or loads a model", "keep by it at a terminal")
        load_filter(one)
    return filters


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise UsageError(f"`{text[:60]}` is no name for a folder", "letters, digits, `.`, `_`, `-`: `first-study`")
    return text
