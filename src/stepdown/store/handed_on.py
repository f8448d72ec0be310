"""How many questions a served cascade handed on to its teacher since its calibration, and whether it raised alarm."""

import msgspec

from stepdown.store.labels import put_rows
from stepdown.store.records import damage_checked
from stepdown.store.run import Run, Store
from stepdown.store.schema import LABELS_SINCE

KIND = "handed-on"


class HandedOn(msgspec.Struct, frozen=True, kw_only=True):
    """A cascade's questions under one calibration: `on` of `seen` were handed on, `handed_on` of `calibrated_on` then.

    `name` is what it is served by. `alarm` is 1 where more were handed on than the calibration vouches for, -1 where
    fewer, and then `alarm_at` the number of questions that it took; it stays until the next calibration.
    """

    name: str
    handed_on: int
    calibrated_on: int
    on: int = 0
    seen: int = 0
    alarm: int = 0
    alarm_at: int = 0


_decode = damage_checked(msgspec.json.Decoder(HandedOn).decode)


def handed_on(run: Run, handed: int, total: int) -> HandedOn | None:
    """Return what is known of a served run since a calibration that handed on so many; None before any question."""
    row = run.store.db.execute(
        "select value from labels where run = ? and kind = ? and item = ?", (run.id, KIND, f"{handed}/{total}")
    ).fetchone()
    return _decode(row[0].encode()) if row else None


def keep_handed_on(run: Run, found: HandedOn) -> None:
    """Keep what is known of a served run since its calibration in place of what was."""
    row = (KIND, f"{found.handed_on}/{found.calibrated_on}", msgspec.json.encode(found).decode())
    put_rows(run, [row], author="stepdown")


def all_handed_on(store: Store) -> dict[str, HandedOn]:
    """Return what is known of each served cascade since its newest calibration, by run id, the newest last."""
    if store.value("pragma user_version") < LABELS_SINCE:
        return {}
    rows = store.db.execute("select run, value from labels where kind = ? order by created", (KIND,))
    return {run: _decode(value.encode()) for run, value in rows}
