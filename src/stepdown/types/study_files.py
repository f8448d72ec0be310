"""The study file that a run came from, as a paper can cite it."""

import msgspec


class StudyFile(msgspec.Struct, frozen=True):
    """A study file: the SHA-256 of its bytes in hex, its name without its folder, and the `options` given beside it.

    Those are options of the command line that go before the file's and can change what comes out, by their names.
    """

    sha256: str
    file: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        but = f", and {', '.join(self.options)} of the command line" if self.options else ""
        return f"{self.file}, sha256 {self.sha256}{but}"

    @property
    def short(self) -> str:
        """The beginning of its hash; a `*` where options of the command line went before the file's."""
        return self.sha256[:12] + "*" * bool(self.options)
