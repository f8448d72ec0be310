"""What an audit finds in each trace, whoever graded it, kept in the store by blocks so that it is found once."""

from collections.abc import Iterator
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

NO_LEAK = Leak()


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
        kept = kept_audit(run.store, run.id, block, version())
        yield from _decode(kept) if kept else _look(run, block)


def keep_audits(path: Path, runs: list[Run]) -> None:
    """Keep what is found in runs, where it is not kept yet; a store that cannot be written is left as it is."""
    missing = [(run.id, _missing(run)) for run in runs if run.store.is_current()]
    if not any(blocks for _, blocks in missing):
        return
    try:
        with Store(path) as store:
            for name, blocks in missing:
                run = store.run(name)
                for block in blocks:
                    keep_audit(store, name, block, version=version(), make=partial(_found, run, block))
    except StoreError:
        return


def _missing(run: Run) -> list[int]:
    blocks = blocks_of(run.store, run.id)
    return [block for block in blocks if kept_audit(run.store, run.id, block, version()) is None]


@cache
def version() -> str:
    """Return what stands for the code that finds: another version of it finds anew."""
    files = [file for place in (__file__, answers.__file__) for file in sorted(Path(place).parent.glob("*.py"))]
    return blake2b(b"".join(file.read_bytes() for file in files), digest_size=8).hexdigest()


def _found(run: Run, block: int) -> bytes:
    return _encode(_look(run, block))


def _look(run: Run, block: int) -> list[AuditedTrace]:
    rows = takewhile(lambda row: row[0] >> BLOCK_BITS == block, run.rows(first=block << BLOCK_BITS))
    return [_audited(trace) for _, trace, _ in rows]


def _audited(trace: Trace) -> AuditedTrace:
    plan, problem = trace.plan, trace.problem
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
