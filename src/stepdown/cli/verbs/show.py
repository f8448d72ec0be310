"""`stepdown show`: what an id, a name, a path or a page's address is, and the commands that lead on."""

from pathlib import Path

from stepdown.cli.console.terminal import show as write
from stepdown.cli.console.terminal import show_json
from stepdown.cli.known_things import KnownThing, things_called
from stepdown.cli.options import OutputOptions
from stepdown.cli.path_things import OTHER, thing_at
from stepdown.errors import UnknownName, UsageError
from stepdown.store import known_words

OUTPUT = OutputOptions()
LISTS = "`stepdown runs`, `stepdown datasets` and `stepdown models` list what there is"
_LONGEST, _MOST_LISTED = 1_000, 12


def show(word: str, /, *, output: OutputOptions = OUTPUT) -> int:
    """Say what something is.

    Parameters
    ----------
    word
        A run, a trace (`RUN/PROBLEM`, or a page's address), a call's key, a problem's id, a fingerprint, a data set, a
        tag (`@TAG`), a model, or the path of a corpus, a student, a study, a store or a file (of a study file its
        SHA-256 too); ids may be cut short.
    """
    if not word or len(word) > _LONGEST or not word.isprintable():
        raise UsageError(
            f"`{word[:60]!a}` is no id: it has {len(word):,} characters, or some that cannot be shown",
            "ids are short and printable; `stepdown runs` lists those of runs",
        )
    found = [one] if (one := thing_at(Path(word).expanduser())) else []
    known: list[str] = []
    if output.store_path.exists():
        with output.read() as store:
            found = merged([*found, *things_called(store, word)])
            known = known_words(store) if not found else []
    if not found:
        what = "run, trace, call, problem, fingerprint, data set, model or path"
        if not known:
            raise UsageError(f"there is no {what} `{word}`", LISTS)
        raise UnknownName(what, word, known)
    if len(found) > 1:
        lines = ", ".join(f"{one.kind} `{one.id}`" for one in found[:_MOST_LISTED])
        more = " and more" * (len(found) > _MOST_LISTED)
        raise UsageError(f"`{word}` can be {len(found)} things", f"give more of the id; there is {lines}{more}")
    [thing] = found
    if output.json:
        show_json(thing)
    else:
        write(*text_of(thing))
    return 0


def merged(things: list[KnownThing]) -> list[KnownThing]:
    """Return things each once, with all that is known of each; a path that is nothing of ours goes where others are."""
    found: dict[tuple[str, str], KnownThing] = {}
    for one in things:
        before = found.get((one.kind, one.id), KnownThing(kind=one.kind, id=one.id))
        found[one.kind, one.id] = KnownThing(
            kind=one.kind, id=one.id, about={**before.about, **one.about}, next=one.next or before.next
        )
    return [one for one in found.values() if one.kind != OTHER or len(found) == 1]


def text_of(thing: KnownThing) -> list[str]:
    """Return what is known of a thing as lines for a person."""
    width = max(map(len, thing.about), default=0)
    facts = [f"  {name.ljust(width)}  {value}" for name, value in thing.about.items() if value]
    return [f"{thing.kind} {thing.id}", *facts, *(f"  next: `{command}`" for command in thing.next)]
