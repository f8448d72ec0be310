"""People's remarks on traces."""

import time
from collections.abc import Iterator

import msgspec

from stepdown.store.records import damage_checked, encode
from stepdown.store.run import Run


class Annotation(msgspec.Struct, frozen=True):
    """A person's remarks on the plan (`delegation`) and on the solution (`answer`) of a trace: the authors' fields."""

    delegation: str
    answer: str
    author: str
    created: float = 0.0


_decode_annotation = damage_checked(msgspec.json.Decoder(Annotation).decode)


def annotate(run: Run, problem: str, *, annotation: Annotation, sample: int = 0) -> None:
    """Keep a person's remarks on a trace; their earlier ones stay in the store, the newest count."""
    with run.store.writing() as db:
        db.execute(
            "insert into annotations (run, problem, sample, body, created) values (?, ?, ?, ?, ?)",
            (run.id, problem, sample, encode(annotation), annotation.created or time.time()),
        )


def stored_annotations(run: Run) -> Iterator[tuple[str, int, Annotation]]:
    """Stream (problem id, sample, remarks) of everything people remarked, oldest first."""
    rows = run.store.db.execute(
        "select problem, sample, body, created from annotations where run = ? order by id", (run.id,)
    )
    for problem, sample, body, created in rows:
        yield problem, sample, msgspec.structs.replace(_decode_annotation(body), created=created)


def annotations_by_trace(run: Run) -> dict[tuple[str, int], list[Annotation]]:
    """Return the remarks that count by (problem id, sample): each person's newest, the newest person first."""
    found: dict[tuple[str, int], list[Annotation]] = {}
    for problem, sample, one in reversed(list(stored_annotations(run))):
        others = found.setdefault((problem, sample), [])
        if all(other.author != one.author for other in others):
            others.append(one)
    return found
