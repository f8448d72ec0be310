"""Studies that a page started: each a `stepdown study` in a process of its own, whose students lie in folders."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stepdown.errors import UnknownName, UsageError
from stepdown.models import Secret
from stepdown.web.jobs.command_jobs import GRACE, CommandJob, Following
from stepdown.web.jobs.study_files import write_study_file
from stepdown.web.jobs.study_form import StudySettings

_PLACES = 2  # a student's folder lies in that of its study at `CELL/seed-N`


class StudyJob(CommandJob):
    """One `stepdown study` of a page; its `id` is the name of its folder."""

    def __init__(self, settings: StudySettings, command: Sequence[str]) -> None:
        super().__init__(settings.name, command)
        self.settings = settings


class StudyJobs:
    """The studies of one server: those it started, by name, and the `folder` in which all lie.

    Trainings fill a machine, so one goes on at a time.
    """

    def __init__(self, store: Path, folder: Path, corpora: Mapping[str, Path], *, token: Secret | None = None) -> None:
        self.store, self.folder, self.corpora = store, folder, corpora
        self._jobs: dict[str, StudyJob] = {}
        self._following = Following(token or Secret(""), lambda: None)

    def __iter__(self) -> Iterator[StudyJob]:
        return iter(list(self._jobs.values()))

    def find(self, name: str) -> StudyJob | None:
        """Return the job of a study, None where this server did not start it."""
        return self._jobs.get(name)

    def trained(self, student: str) -> str:
        """Return the name of the study that trained a student, by the folder it lies in; "" for any other model."""
        root = os.path.abspath(self.folder)
        inside = os.path.abspath(student) if "\0" not in student else ""
        study, *places = os.path.relpath(inside, root).split(os.sep) if inside.startswith(root + os.sep) else ("",)
        return study if len(places) == _PLACES and (self.folder / study).is_dir() else ""

    async def start(self, settings: StudySettings) -> StudyJob:
        """Start a study by its study file, or go on with one of this name.

        Raises `UsageError` while another one goes on, and where the file cannot be written.
        """
        busy = next((job for job in self if job.is_live), None)
        if busy is not None:
            raise UsageError(f"the study `{busy.id}` is in progress", "wait for it to end, or stop it")
        file = write_study_file(settings, self.corpora[settings.corpus], self.folder / settings.name)
        command = ["study", f"--store={self.store}", "--json", "--", str(file)]
        job = StudyJob(settings, command)
        await self._following.begin(job)
        self._jobs[job.id] = job
        return job

    def stop(self, name: str) -> None:
        """Ask a study to end; asked again, it ends at once. Raises `UnknownName`."""
        job = self._jobs.get(name)
        if job is None:
            raise UnknownName("study that goes on here", name, self._jobs)
        job.stop()

    async def close(self, grace: float = GRACE) -> None:
        """End what goes on; a study that was stopped goes on from its checkpoints."""
        await self._following.close(list(self), grace)
