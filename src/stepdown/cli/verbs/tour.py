"""`stepdown tour`: a real study that is in the package, told at the terminal or shown in a browser, without a model."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from stepdown.cli.console.tables import width
from stepdown.cli.console.terminal import painted, say, show, show_json
from stepdown.cli.options import CHOICE, Flag, Json
from stepdown.cli.tour_story import Story
from stepdown.cli.unused_options import given, refuse
from stepdown.cli.verbs.serve import serve_tour
from stepdown.extras import missing
from stepdown.store import Store
from stepdown.text import wrapped
from stepdown.tour import STORE, Study, Way, copy_to, read_study

VERSION = 1
_WIDEST = 100
_BOLD = "1"


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class TourOptions:
    """How the study is shown.

    Parameters
    ----------
    open
        Serve its pages to this machine and open them in a browser, where a line on each says what is seen.
    port
        With --open: the port; any free one where not given.
    folder
        Copy the study into this new folder, and leave it there for other commands; otherwise the copy is temporary.
    """

    open: Flag = False
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 0
    folder: Path | None = None


DEFAULTS = TourOptions()


def tour(*, options: TourOptions = DEFAULTS, json: Json = False) -> int:
    """Show a recorded study; no model, network or key is needed."""
    if not options.open:
        refuse(given(options, "port"), "nothing is served without --open", "add --open, or leave it out")
    elif json:
        refuse(["--json"], "--open serves pages, and prints no data", "leave one of them out")
    with copied(options.folder) as folder:
        study = read_study(folder)
        if options.open:
            serve_tour(folder, Way.through(study, chains=not missing("data")), port=options.port)
        else:
            tell(folder, study, as_json=json, kept=options.folder)
    return 0


@contextmanager
def copied(folder: Path | None) -> Iterator[Path]:
    """Give a copy of the study: in a folder that stays, or else in one that is removed afterwards."""
    if folder is not None:
        yield copy_to(folder)
        return
    with TemporaryDirectory(prefix="stepdown-tour-") as made:
        yield copy_to(Path(made))


def tell(folder: Path, study: Study, *, as_json: bool, kept: Path | None) -> None:
    """Write the story to stdout, stop after stop; each is there as soon as it is known."""
    way = Way.through(study)
    with Store(folder / STORE) as store:
        story = Story(store, study, folder, min(_WIDEST, width()))
        if as_json:
            about = {"recorded": study.recorded, "problem": study.problem, "runs": study.runs, "stops": way.stops}
            show_json({**about, "report": story.everything().to_json(), "version": VERSION})
            return
        show(*wrapped(story.head(), story.width), "")
        for stop, parts in zip(way.stops, story.parts(), strict=True):
            title = f"{stop.number} of {len(way.stops)} · {stop.title}"
            # The colour is ours: `show` leaves escape sequences of texts out.
            sys.stdout.write(painted(title, _BOLD, sys.stdout) + "\n")
            show(*wrapped(stop.words, story.width), "")
            for part in parts:
                show(part, "")
            sys.stdout.flush()
    where = kept or "FOLDER"
    keep = [] if kept else ["`stepdown tour --folder FOLDER` keeps the study; then:"]
    say("the same in a browser: `stepdown tour --open`", *keep,
        f"`stepdown report --store {where}/{STORE}`, `stepdown traces {study.runs.traced} --where wrong --store "
        f"{where}/{STORE}`", "with models of this machine: `stepdown demo`")  # fmt: skip
