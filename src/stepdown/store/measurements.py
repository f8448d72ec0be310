"""What stored runs say of a model: how long its requests took and how long its replies were."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from stepdown.store.records import decode_call_entries, decode_reply, decode_request
from stepdown.store.run import Run, Store
from stepdown.types import Effort, Message, Reply, Role

# Problems that are looked at of one run, spread evenly over it, and requests that are enough.
_PROBLEMS, ENOUGH = 256, 256
# Fewer where each has many samples, but as many as make a sample of requests.
_LEAST, _DRAWS = 64, 1024
_RUNS = 20


class MeasuredRequest(msgspec.Struct, frozen=True):
    """One request of a stored run: wall time, `characters` of its messages, and the replies it brought, one a draw.

    `prompt` stands for its words: draws of one prompt that came in several requests have it in common.
    """

    seconds: float
    characters: int
    prompt: int
    replies: tuple[Reply, ...]

    @property
    def input(self) -> int | None:
        """Input tokens, None where they are not known of every reply."""
        return _sum(reply.usage.input if reply.usage else None for reply in self.replies)

    @property
    def output(self) -> int | None:
        """Output tokens of all its replies, None where they are not known of every one."""
        return _sum(reply.usage.output if reply.usage else None for reply in self.replies)


def measured_requests(
    store: Store, model: str, source: str, *, role: Role, method: str, effort: Effort | None = None
) -> list[MeasuredRequest]:
    """Return requests that a model answered in a role: of the newest runs by this method that are in the store.

    Of other methods' runs where none is by this one. What an import or a recorded model answered in no time is left
    out. A few hundred requests at most; the store may be of any size.
    """
    runs = [run for run in store.runs() if model in (run.settings.student, run.settings.teacher)]
    runs = [run for run in runs if source in run.settings.sources and not run.settings.origin]
    alike = [run for run in runs if run.settings.method == method]
    found: list[MeasuredRequest] = []
    for some in (alike, [run for run in runs if run.settings.method != method]):
        for run in list(reversed(some))[:_RUNS]:
            found += _requests(run, model, source, role, effort)
            if len(found) >= ENOUGH:
                break
        if found:
            break
    return found


def _requests(run: Run, model: str, source: str, role: Role, effort: Effort | None) -> Iterator[MeasuredRequest]:
    """Stream the requests behind some traces of a run; draws that took the same time came in one."""
    groups: dict[tuple[bytes, float], list[Reply]] = {}
    for request, body in _calls(run, model, source, role):
        reply = decode_reply(body)
        if reply.seconds > 0:
            groups.setdefault((request, reply.seconds), []).append(reply)
    for (request, seconds), replies in groups.items():
        messages, sampling = decode_request(request)
        if sampling.reasoning_effort == effort:
            yield MeasuredRequest(seconds, _characters(messages), hash(request), tuple(replies))


def _calls(run: Run, model: str, source: str, role: Role) -> Iterator[tuple[bytes, bytes]]:
    last = run.store.value("select coalesce(max(ordinal), -1) from traces where run = ?", run.id)
    wanted = max(_LEAST, min(_PROBLEMS, _DRAWS // run.settings.samples))
    step = -(-(last + 1) // wanted) or 1
    keys: dict[bytes, None] = {}
    for ordinal in range(0, last + 1, step):
        rows = run.store.db.execute("select calls from traces where run = ? and ordinal = ?", (run.id, ordinal))
        entries = (entry for (body,) in rows for entry in decode_call_entries(body))
        keys |= {bytes.fromhex(key): None for one, _, key, _ in entries if one == role}
    found: Iterator[Any] = run.store.calls("model, source, request, reply", list(keys))
    return ((request, reply) for name, place, request, reply in found if (name, place) == (model, source))


def _characters(messages: Iterable[Message]) -> int:
    return sum(len(message.content) for message in messages)


def _sum(counts: Iterable[int | None]) -> int | None:
    every = list(counts)
    known = [count for count in every if count is not None]
    return sum(known) if len(known) == len(every) else None
