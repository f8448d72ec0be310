"""What people call runs and say of them: a name, tags, a note, whether one is hidden; and where each came from.

That is the command that ran it last, and the study files it was run by.

None of it is part of a run's identity. Each is a row of its own with who said it and when; what is taken back leaves an
empty row, so that joining with a store that still has it does not bring it back.
"""

import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from stepdown.errors import StoreError, UsageError
from stepdown.store.connection import MEND
from stepdown.store.run import Run, Store
from stepdown.store.schema import LABELS_SINCE
from stepdown.types import StudyFile

MOST_NAME, MOST_TAG, MOST_TAGS, MOST_NOTE = 80, 40, 50, 10_000
_PUT = "insert or replace into labels (run, kind, item, value, author, created) values (?, ?, ?, ?, ?, ?)"
_VERBS = {"name": "named", "note": "noted", "hidden": "hidden"}
_STUDY = "study"
# The table also holds what was found in a run, which may be long.
_KINDS = "('name', 'tag', 'note', 'hidden', 'study')"


class RunLabels(msgspec.Struct, frozen=True):
    """What is said of a run: `name` and `note` are empty where there is none; `tags` are sorted.

    `studies` are the study files that it was run by.
    """

    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    hidden: bool = False
    studies: tuple[StudyFile, ...] = ()


NO_LABELS = RunLabels()


def labels_of(store: Store) -> dict[str, RunLabels]:
    """Return the labels of all runs that have any, by run id; one look for a whole store."""
    if not _has_table(store):
        return {}
    found: dict[str, dict[str, dict[str, str]]] = {}
    rows = store.db.execute(
        f"select run, kind, item, value from labels where value != '' and kind in {_KINDS} order by run, kind, item"
    )
    for row in rows:
        run, kind, item, value = _texts(store, row)
        found.setdefault(run, {}).setdefault(kind, {})[item] = value
    return {run: _labels(kinds) for run, kinds in found.items()}


def run_labels(run: Run) -> RunLabels:
    """Return the labels of one run."""
    if not _has_table(run.store):
        return NO_LABELS
    kinds: dict[str, dict[str, str]] = {}
    chosen = (
        f"select kind, item, value from labels where run = ? and value != '' and kind in {_KINDS} order by kind, item"
    )
    for row in run.store.db.execute(chosen, (run.id,)):
        kind, item, value = _texts(run.store, row)
        kinds.setdefault(kind, {})[item] = value
    return _labels(kinds)


def label(
    run: Run, *, name: str | None = None, note: str | None = None, hidden: bool | None = None, author: str = "person"
) -> None:
    """Keep a run's name, note, or whether it is hidden; None leaves one as it is, and "" takes a name or note back.

    Raises `UsageError` for a name or note that is too long or cannot be shown on a line, and for a name that already
    means something: the beginning of a run's id, or a data set of the store.
    """
    changes = {"name": name, "note": note, "hidden": None if hidden is None else "yes" * hidden}
    if name:
        check_name(run.store, name)
    if note and len(note) > MOST_NOTE:
        raise UsageError(f"the note has {len(note):,} characters", f"a note has at most {MOST_NOTE:,}")
    put_rows(run, [(kind, "", value) for kind, value in changes.items() if value is not None], author)


def tag(run: Run, *tags: str, author: str = "person") -> None:
    """Add tags to a run. Raises `UsageError` for one that cannot be typed as one word, or too many."""
    for one in tags:
        check_tag(one)
    if len({*run_labels(run).tags, *tags}) > MOST_TAGS:
        raise UsageError(f"run `{run.id}` would have more than {MOST_TAGS} tags", "take some away first")
    put_rows(run, [("tag", one, "yes") for one in tags], author)


def untag(run: Run, *tags: str, author: str = "person") -> None:
    """Take tags from a run; those that it does not have are no fault."""
    put_rows(run, [("tag", one, "") for one in set(tags) & set(run_labels(run).tags)], author)


def note_studies(run: Run, *studies: StudyFile) -> None:
    """Keep that a run came from study files; of a file with the same content what is said last counts."""
    rows = [(_STUDY, one.sha256, msgspec.json.encode([one.file, one.options]).decode()) for one in studies]
    put_rows(run, rows, author="command")


def check_name(store: Store, name: str) -> None:
    """Raise `UsageError` for what cannot be a run's name."""
    hint = "give a name such as `baseline`"
    if len(name) > MOST_NAME or not name.isprintable() or name != name.strip() or name[0] in "-@":
        raise UsageError(f"`{name[:MOST_NAME]!a}` is no name of a run: at most {MOST_NAME} characters on one line, "
                         "and no `-` or `@` in front", hint)  # fmt: skip
    meant = store.db.execute(
        """select id, json_extract(settings, '$.dataset') from runs
           where substr(id, 1, length(?1)) = ?1 or json_extract(settings, '$.dataset') = ?1 limit 1""",
        (name,),
    ).fetchone()
    if meant:
        what = f"the data set of run `{meant[0]}`" if meant[1] == name else f"the beginning of run `{meant[0]}`'s id"
        raise UsageError(f"`{name}` is {what} already", hint)


def check_tag(name: str) -> None:
    """Raise `UsageError` for what cannot be a tag."""
    if not 0 < len(name) <= MOST_TAG or not name.isprintable() or set(name) & set(" ,") or name[0] in "-@":
        raise UsageError(
            f"`{name[:MOST_TAG]!a}` is no tag: one word of at most {MOST_TAG} characters, without commas",
            "give a tag such as `paper`",
        )
    if name == "last":
        raise UsageError("`last` stands for the runs of the last command", "give another tag")


def note_command(runs: Iterable[Run], command: str) -> None:
    """Keep that a command, known by a word of its own, worked on these runs; the newest of each run counts."""
    now = time.time()
    for run in runs:
        with run.store.writing() as db:
            db.execute("insert or replace into commands (run, command, created) values (?, ?, ?)",
                       (run.id, command, now))  # fmt: skip


def last_command(store: Store) -> list[str]:
    """Return the ids of the runs that the last command worked on, none where the store has not kept it."""
    if not _has_table(store):
        return []
    newest = "select command from commands join runs on id = run order by commands.created desc limit 1"
    rows = store.db.execute(
        f"""select id from commands join runs on id = run where command = ({newest}) order by runs.created, id"""
    )
    return [str(run) for (run,) in rows]


def merge_labels(source: Store, target: Store, names: dict[str, str], conflict: Callable[[str, str, str], None]) -> int:
    """Join the labels of another store, by the names its runs have in `target`; return how many are new or newer.

    Where one store has taken back what the other says, the later of the two counts. Of two names or notes the one that
    is there stays, and `conflict` is told: (run, "", what).
    """
    brought = 0
    for run, kind, item, value, author, created in source.db.execute(
        "select run, kind, item, value, author, created from labels order by run, kind, item"
    ).fetchall():
        place = (names.get(run, run), kind, item)
        ours = target.db.execute(
            "select value, created from labels where run = ? and kind = ? and item = ?", place
        ).fetchone()
        if kind in _VERBS and ours and value and ours[0] and value != ours[0]:
            conflict(place[0], "", f"is {_VERBS[kind]} `{ours[0]:.60}` here and `{value:.60}` there")
        elif ours is None or (value != ours[0] and created > ours[1]):
            target.db.execute(_PUT, (*place, value, author, created))
            brought += bool(value)
    for run, command, created in source.db.execute("select run, command, created from commands").fetchall():
        target.db.execute(
            """insert into commands (run, command, created) values (?, ?, ?) on conflict (run)
               do update set command = excluded.command, created = excluded.created where excluded.created > created""",
            (names.get(run, run), command, created),
        )
    return brought


def put_rows(run: Run, rows: Sequence[tuple[str, str, str]], author: str) -> None:
    """Keep rows of (kind, item, value) that somebody says of a run; what was said before of the same is gone."""
    if not rows:
        return
    now = time.time()
    with run.store.writing() as db:
        db.executemany(_PUT, [(run.id, *row, author, now) for row in rows])


def _labels(kinds: dict[str, dict[str, str]]) -> RunLabels:
    one = {kind: items.get("", "") for kind, items in kinds.items()}
    studies = tuple(StudyFile(hash_, *_of_study(value)) for hash_, value in kinds.get(_STUDY, {}).items())
    tags = tuple(kinds.get("tag", ()))
    return RunLabels(one.get("name", ""), tags, one.get("note", ""), bool(one.get("hidden")), studies)


def _of_study(value: str) -> tuple[str, tuple[str, ...]]:
    """Return the name of a study file and the options given beside it. Raises `StoreError`."""
    try:
        return msgspec.json.decode(value, type=tuple[str, tuple[str, ...]])
    except msgspec.MsgspecError as error:
        raise StoreError(f"the store is damaged: `{value:.60}` names no study file", MEND) from error


def _texts(store: Store, row: tuple[object, ...]) -> tuple[str, ...]:
    found = tuple(value for value in row if isinstance(value, str))
    if len(found) < len(row):
        raise StoreError(f"the store `{store.path}` is damaged: a run's label is no text", MEND)
    return found


def _has_table(store: Store) -> bool:
    """Whether there are labels at all; a store of an earlier schema that is only read has none."""
    return store.value("pragma user_version") >= LABELS_SINCE
