"""What became of the steps of plans, by texts: letters of the rule and of judges, kept so that they are found once."""

from collections.abc import Mapping

import msgspec

from stepdown.store.labels import put_rows
from stepdown.store.records import damage_checked
from stepdown.store.run import Run, Store
from stepdown.store.schema import LABELS_SINCE

KIND = "followed"
_Kept = tuple[str, dict[str, str]]  # the version of who says it, and letters by the hash of a plan and a solution
_decode = damage_checked(msgspec.json.Decoder(_Kept).decode)


def kept_letters(run: Run, by: str, version: str, block: int) -> dict[str, str]:
    """Return the letters of a block of a run's traces, by the hash of plan and solution; of another version none."""
    if run.store.value("pragma user_version") < LABELS_SINCE:
        return {}
    chosen = "select value from labels where run = ? and kind = ? and item = ?"
    row = run.store.db.execute(chosen, (run.id, KIND, f"{by} {block}")).fetchone()
    kept, letters = _decode(row[0].encode()) if row else ("", {})
    return letters if kept == version else {}


def letters_by(run: Run) -> list[tuple[str, str]]:
    """Return of whom letters are kept of a run, each with the version that they are of."""
    if run.store.value("pragma user_version") < LABELS_SINCE:
        return []
    # A block's letters may be many, and what they are of stands in front of them.
    rows = run.store.db.execute(
        "select item, substr(value, 3, 80) from labels where run = ? and kind = ?", (run.id, KIND)
    ).fetchall()
    return sorted({(str(item).rpartition(" ")[0], str(value).partition('"')[0]) for item, value in rows})


def letters_kept(store: Store) -> float:
    """Return when letters were kept last, in unix seconds; 0 if never."""
    if store.value("pragma user_version") < LABELS_SINCE:
        return 0.0
    newest = store.db.execute("select max(created) from labels where kind = ?", (KIND,)).fetchone()[0]
    return float(newest or 0.0)


def keep_letters(run: Run, by: str, version: str, *, block: int, letters: Mapping[str, str]) -> None:
    """Keep the letters of a block in place of what was kept of it."""
    put_rows(run, [(KIND, f"{by} {block}", msgspec.json.encode((version, letters)).decode())], author="stepdown")
