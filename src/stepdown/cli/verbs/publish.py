"""`stepdown publish`: a corpus or a student as a folder for the hub, and onto it when that is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from stepdown.cli.console.terminal import say, show_json
from stepdown.cli.options import CHOICE, Flag, Json
from stepdown.errors import UsageError
from stepdown.publishing import Published, Pushed, check_repository, publish_corpus, publish_student, push
from stepdown.text import size


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class PublishOptions:
    """Where it goes.

    Parameters
    ----------
    out
        The folder to write: look at it before it is pushed.
    push
        Put the folder on the hub, at `HF_ENDPOINT`, by the token in `HF_TOKEN`; without it nothing leaves this machine.
    repo
        With --push: the repository, `OWNER/NAME`; made, private, if it is not there.
    public
        With --push: let a repository that is made be seen by everybody.
    force
        Replace a folder that `publish` wrote.
    """

    out: Path
    push: Flag = False
    repo: Annotated[str, Parameter(show_default=False)] = ""
    public: Flag = False
    force: Flag = False


class PublishedObject(Published, frozen=True, kw_only=True):
    """What `publish --json` prints; `pushed` is None where nothing was."""

    pushed: Pushed | None = None


def publish(kind: Literal["corpus", "student"], folder: Path, /, *, options: PublishOptions, json: Json = False) -> int:
    """Write a corpus or a student as a folder for the hub, with a card; push it only when asked.

    Parameters
    ----------
    kind
        What it is: `corpus` becomes a data set, `student` a model.
    folder
        The folder of the corpus or the student.
    """
    if not options.push and (options.repo or options.public):
        raise UsageError("`--repo` and `--public` are for --push", "add --push, or leave them out")
    if options.push:
        check_repository(options.repo)
    write = publish_corpus if kind == "corpus" else publish_student
    made = write(folder, options.out, force=options.force)
    say(f"wrote {options.out}: {made.files} files, {size(made.bytes)}; licence: {made.licence}")
    if made.left_out:
        more = " and more" * (len(made.left_out) > 5)
        say(f"left out, no part of a {kind}: {', '.join(made.left_out[:5])}{more}")
    if made.paths:
        say(f"its card names paths of this machine: {', '.join(made.paths[:3])}")
    pushed = push(options.out, options.repo, kind=kind, public=options.public) if options.push else None
    if pushed:
        say(f"{pushed.url}: commit {pushed.commit}; {pushed.address}")
    elif not json:
        say("nothing was sent: `--push --repo OWNER/NAME` puts it on the hub")
    if json:
        show_json(PublishedObject(**msgspec.structs.asdict(made), pushed=pushed))
    return 0
