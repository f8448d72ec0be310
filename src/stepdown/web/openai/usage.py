"""Tokens as clients count them: summed over the calls behind one answer, with what each role used."""

from collections.abc import Sequence

import msgspec

from stepdown.store import StoredTrace
from stepdown.types import Call, Role

ROLES: tuple[Role, ...] = ("teacher", "student")


class PromptDetails(msgspec.Struct, frozen=True):
    """What part of the input an endpoint had cached."""

    cached_tokens: int = 0


class CompletionDetails(msgspec.Struct, frozen=True):
    """What part of the output is the plan."""

    reasoning_tokens: int = 0


class RoleUsage(msgspec.Struct, frozen=True):
    """What one role used over `calls` calls, of which the store answered `stored` without asking anybody."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    calls: int
    stored: int


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """The usage of an answer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails
    by_role: dict[Role, RoleUsage]


def usage_of(rows: Sequence[StoredTrace]) -> Counted | None:
    """Return the usage of some samples' calls, a plan they share counted once.

    None where an endpoint gave no usage for a call: a number that is not known is not invented.
    """
    calls = {key: call for row in rows for key, call in zip(row.keys, row.trace.calls, strict=True)}
    if not calls or any(call.reply.usage is None for call in calls.values()):
        return None
    by_role = {role: _role_usage([call for call in calls.values() if call.role == role]) for role in ROLES}
    by_role = {role: used for role, used in by_role.items() if used.calls}
    usages = [call.reply.usage for call in calls.values() if call.reply.usage is not None]
    plan = by_role["teacher"].completion_tokens if "teacher" in by_role else 0
    return Counted(
        prompt_tokens=sum(one.prompt_tokens for one in by_role.values()),
        completion_tokens=sum(one.completion_tokens for one in by_role.values()),
        total_tokens=sum(one.total_tokens for one in by_role.values()),
        prompt_tokens_details=PromptDetails(sum(usage.cached for usage in usages)),
        completion_tokens_details=CompletionDetails(plan),
        by_role=by_role,
    )


def _role_usage(calls: Sequence[Call]) -> RoleUsage:
    usages = [call.reply.usage for call in calls if call.reply.usage is not None]
    read, written = sum(usage.input for usage in usages), sum(usage.output for usage in usages)
    return RoleUsage(read, written, read + written, len(calls), sum(call.reply.cached for call in calls))
