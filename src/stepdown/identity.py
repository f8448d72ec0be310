"""What makes a call, a run, a prompt set, a corpus or a training the one it is: which fields, in which form. Version 1.

An identity is a hash over JSON that this module writes, so that a later version finds what an earlier one paid for.
`FORMS` names the fields that version 1 writes of each struct. A later field is written only where it differs
from its default: then it is another thing, and else the identity stays. What is not listed may be no part of one.

Problems, chains and plans are hashed as `msgspec` writes them: they leave defaults out anyhow.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import blake2b
from itertools import product
from typing import Any, TypeVar

import msgspec
from msgspec.structs import FieldInfo, fields

S = TypeVar("S", bound=msgspec.Struct)
VERSION = 1
_SCALARS = frozenset({str, int, float, bool, type(None)})
# The fields that are said whatever they hold. Their order is that of the struct.
FORMS: dict[str, tuple[str, ...]] = {
    "Message": ("role", "content"),
    "Settings": (
        "dataset", "problems", "count", "method", "student", "teacher", "sources", "prompt_set", "prompts", "plans",
        "control", "sampling", "teacher_sampling", "samples", "origin",
    ),
    "PromptWords": (
        "name", "source", "direct", "chain_of_thought", "plan_and_solve", "delegate", "follow", "system",
        "teacher_system", "endings",
    ),
    "Training": (
        "target", "prompts", "visits", "steps", "batch", "learning_rate", "warmup", "clip", "epsilon", "rank", "alpha",
        "dropout", "full", "max_length", "tokens_per_pass", "seed", "precision", "evaluations", "dev", "checkpoints",
        "allow", "compile",
    ),
}  # fmt: skip
# Structs that leave defaults out. A default that is given in words (`temperature=0.0`) is said and one that is not
# given is not: 0.1.0 wrote both forms of a `Sampling`, from the command line and from programs. `ways` has them all.
SPARSE: dict[str, tuple[str, ...]] = {
    "Sampling": ("temperature", "top_p", "max_tokens"),
    "AnswerForm": (),
    "Demonstration": (),
    "Plan": (),
    "Problem": (),
    "Chain": (),
    "Grade": (),
}


def fingerprint(value: object) -> str:
    """Return 32 hexadecimal digits that stand for a value of listed structs and plain values."""
    return digest(encoded(value)).hex()


def digest(body: bytes) -> bytes:
    """Return 16 bytes that stand for these."""
    return hash_of(body).digest()


def hash_of(body: bytes) -> blake2b:
    """Return the hash of every identity, begun with these bytes."""
    return blake2b(body, digest_size=16)


def encoded(value: object) -> bytes:
    """Return the bytes that identify a value. Raises `TypeError` for a struct that no form is known of."""
    return msgspec.json.encode(value) if _is_plain(value) else next(_ways(value, False))


def ways(value: object) -> list[bytes]:
    """Return every form in which 0.1.0 may have written an equal value, the given one first."""
    return list(dict.fromkeys(_ways(value, True)))


def normal(value: S) -> S:
    """Return an equal struct that says of its sparse fields only what is not the default."""
    found = {name: _usual(getattr(value, name), default) for name, _, default, sparse in _layout(type(value)) if sparse}
    return msgspec.structs.replace(value, **found)


def _is_plain(value: object) -> bool:
    """Whether msgspec writes a value as its identity says it: text, numbers, and lists and whole structs of such."""
    kind: Any = type(value)
    if kind in _SCALARS:
        return True
    if kind is tuple or kind is list:
        return all(map(_is_plain, value))  # type: ignore[call-overload]
    names = _plain_fields(kind)
    return names is not None and all(_is_plain(getattr(value, name)) for name in names)


@cache
def _plain_fields(kind: type) -> tuple[str, ...] | None:
    """Return the fields of a struct that are all written whatever they hold, by name; None for anything else."""
    if not issubclass(kind, msgspec.Struct):
        return None
    config, layout = kind.__struct_config__, _layout(kind)
    whole = all(always and not sparse for _, always, _, sparse in layout)
    plain = not (config.omit_defaults or config.array_like or config.tag is not None)
    return (
        kind.__struct_fields__ if whole and plain and kind.__struct_fields__ == kind.__struct_encode_fields__ else None
    )


def _usual(value: object, default: object) -> object:
    if value == default and not isinstance(value, bool):
        return default
    return float(value) if isinstance(default, float) and isinstance(value, int) else value


def _ways(value: object, all_: bool) -> Iterator[bytes]:
    """Give the forms of a value, or the given one alone."""
    if isinstance(value, msgspec.Struct):
        fields = [_field(getattr(value, name), (name, *rest), all_) for name, *rest in _layout(type(value))]
        return (b"{" + b",".join(filter(None, some)) + b"}" for some in product(*fields))
    if isinstance(value, list | tuple):
        return (b"[" + b",".join(some) + b"]" for some in product(*(_ways(one, all_) for one in value)))
    if isinstance(value, Mapping):
        pairs = [[_name(key) + way for way in _ways(one, all_)] for key, one in sorted(value.items())]
        return (b"{" + b",".join(some) + b"}" for some in product(*pairs))
    return iter((msgspec.json.encode(value, order="deterministic"),))


def _field(value: object, field: Any, all_: bool) -> list[bytes]:
    """Return the forms a field may be written in; an empty one where it may be left out."""
    name, always, default, sparse = field
    key, usual = _name(name), type(value) is type(default) and value == default
    if not sparse or not isinstance(value, int | float):
        # Of structs that leave defaults out, msgspec leaves these out by what they are, not where they came from.
        return [b""] if usual and not always else [key + way for way in _ways(value, all_)]
    forms = [b"" if value is default else key + msgspec.json.encode(value)]
    if all_:
        forms += [b""] * (value == default) + [key + msgspec.json.encode(one) for one in _numbers(value, default)]
    return list(dict.fromkeys(forms))


def _numbers(value: float, default: object) -> list[float]:
    """Return a number as programs write it: 1 and 1.0 are equal and are written differently."""
    whole = isinstance(default, float) and float(value).is_integer()
    return [value, int(value), float(value)] if whole else [value]


@cache
def _layout(kind: type) -> tuple[tuple[str, bool, object, bool], ...]:
    """Return each field's name, whether it is always written, its default, and whether it is written where given."""
    names = [one.__name__ for one in kind.__mro__]
    if not {*FORMS, *SPARSE}.intersection(names):
        raise TypeError(f"`{kind.__name__}` is no part of an identity: say its form in `stepdown.identity`")
    always = {field for name in names for field in FORMS.get(name, ())}
    sparse = {field for name in names for field in SPARSE.get(name, ())}
    return tuple((one.name, one.name in always, _default(one), one.name in sparse) for one in fields(kind))


def _default(field: FieldInfo) -> object:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _name(key: object) -> bytes:
    return msgspec.json.encode(str(key)) + b":"
