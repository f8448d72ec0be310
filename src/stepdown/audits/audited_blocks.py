"""What an audit finds in each trace, whoever graded it, kept in the store by blocks so that it is found once.

It is found as soon as a command has written a run, so that nobody waits for it when the run is audited.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache, partial
from hashlib import blake2b
from itertools import takewhile
from pathlib import Path

import msgspec

from stepdown import answers
from stepdown.answers import Leak, leak
from stepdown.audits.blame import NO_PLAN, hash_of_text
from stepdown.audits.plan_faults import FaultKind, faults
from stepdown.audits.termination import EndingKind, termination_faults
from stepdown.errors import StoreError
from stepdown.store import BLOCK_BITS, Run, Store, blocks_of, keep_audit, kept_audit
from stepdown.types import Trace
from stepdown.workers import MOST_JOBS, open_workers

NO_LEAK = Leak()
_HASH_BYTES = 8
# Fewer blocks for each process are sooner looked at here than another process has begun.
_LEAST_BLOCKS = 16
Progress = Callable[[int, int], None]
_Part = tuple[int, tuple[str, ...]]  # a block, and runs of which it is looked at


class AuditedTrace(msgspec.Struct, frozen=True, array_like=True):
    """What is found in a trace: fingerprints of question and plan (empty without one), its faults and its ending."""

    problem: str
    sample: int
    question: bytes
    plan: bytes
    author: str
    endings: tuple[EndingKind, ...]
    faults: tuple[FaultKind, ...]
    leak: Leak


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[AuditedTrace]).decode


def audited(run: Run) -> Iterator[AuditedTrace]:
    """Stream what is found in a run's traces, in its order; what is kept of a block is not looked for again."""
    for block in blocks_of(run.store, run.id):
        kept = _kept(run, block)
        yield from _look(run, block) if kept is None else _decode(kept)


def keep_audits(path: Path, runs: Iterable[str], *, progress: Progress | None = None) -> None:
    """Keep what is found in runs, where it is not kept yet, and go on where an earlier look was ended.

    Much is looked for by as many processes as there are cores. `progress` gets the traces that were looked at, to the
    next 512, and how many there are to look at. A store that cannot be written is left as it is.
    """
    with suppress(StoreError):
        with Store(path, reading=True) as store:
            missing = _missing(store, runs) if store.is_current() else []
        if missing:
            _keep(path, missing, progress or (lambda done, total: None))


def _keep(path: Path, missing: Sequence[_Part], progress: Progress) -> None:
    jobs = max(1, min(os.cpu_count() or 1, MOST_JOBS, len(missing) // _LEAST_BLOCKS))
    done, total = 0, sum(len(runs) for _, runs in missing) << BLOCK_BITS
    with open_workers(jobs) as workers, Store(path) as store:
        for start in range(0, len(missing), jobs):
            parts = missing[start : start + jobs]
            # While nobody else may write, so that what is found is of the traces that are there when it is kept.
            with store.writing():
                for (block, runs), bodies in zip(parts, workers.map(partial(_find, path), parts), strict=True):
                    for run, found in zip(runs, bodies, strict=True):
                        keep_audit(store, run, block, version=version(), found=found)
            done += sum(len(runs) for _, runs in parts) << BLOCK_BITS
            progress(done, total)


def _missing(store: Store, runs: Iterable[str]) -> list[_Part]:
    """Return the blocks of which nothing is kept, each with its runs, which share problems and plans."""
    missing = defaultdict[int, list[str]](list)
    for run in map(store.run, runs):
        for block in blocks_of(store, run.id):
            if _kept(run, block) is None:
                missing[block].append(run.id)
    return [(block, tuple(names)) for block, names in sorted(missing.items())]


def _find(path: Path, part: _Part) -> list[bytes]:
    block, runs = part
    with Store(path, reading=True) as store:
        return [_sealed(_encode(_look(store.run(run), block))) for run in runs]


def _sealed(body: bytes) -> bytes:
    return blake2b(body, digest_size=_HASH_BYTES).digest() + body


def _kept(run: Run, block: int) -> bytes | None:
    """Return what is kept of a block; None where that is nothing, or damaged."""
    kept = kept_audit(run.store, run.id, block, version()) or b""
    body = kept[_HASH_BYTES:]
    return body if kept and _sealed(body) == kept else None


@cache
def version() -> str:
    """Return what stands for the code that finds: another version of it finds anew."""
    files = [file for place in (__file__, answers.__file__) for file in sorted(Path(place).parent.glob("*.py"))]
    return blake2b(b"".join(file.read_bytes() for file in files), digest_size=8).hexdigest()


def _look(run: Run, block: int) -> list[AuditedTrace]:
    rows = takewhile(lambda row: row[0] >> BLOCK_BITS == block, run.rows(first=block << BLOCK_BITS))
    return [_audited(trace) for _, trace, _ in rows]


def _audited(trace: Trace) -> AuditedTrace:
    plan, problem = trace.handed, trace.problem
    found = leak(problem, plan) if plan else NO_LEAK
    return AuditedTrace(
        problem=problem.id,
        sample=trace.sample,
        question=hash_of_text(problem.question),
        plan=hash_of_text(plan.text) if plan else NO_PLAN,
        author=plan.author if plan else "",
        endings=termination_faults(trace),
        faults=tuple(fault.kind for fault in faults(problem, plan)) if plan else (),
        # How many values are computed, and by which words, an audit does not say.
        leak=msgspec.structs.replace(found, computed=found.computed[:1], quote=""),
    )
