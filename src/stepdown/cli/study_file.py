"""The file of a study as a source of its options: `stepdown study FILE.toml [OPTIONS]`."""

from pathlib import Path
from typing import Any

from cyclopts import App, ArgumentCollection

from stepdown.errors import UsageError
from stepdown.toml_files import read_toml


def study_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Give the options of `study` that the command line leaves out as its file has them, the corpus among them.

    Paths in the file are taken from the working folder, as on a command line. Raises `UsageError`.
    """
    source = next(one for one in arguments if one.index == 0)
    if not source.tokens or not source.tokens[0].value.endswith(".toml"):
        return
    path = Path(source.tokens[0].value)
    given = read_toml(path, dict[str, Any], "the study", "it needs corpus, base, test and out")
    corpus = given.pop("corpus", None)
    if not isinstance(corpus, str):
        raise UsageError(f"`{path}` names no `corpus`", 'add a line such as: corpus = "corpus/"')
    if corpus.endswith(".toml"):
        raise UsageError(f"the corpus of `{path}` is another study, `{corpus}`", "name a corpus folder")
    source.tokens = [source.tokens[0].evolve(value=corpus)]
    # One command reads such a file, and every command this module.
    from cyclopts.config import Dict

    # By no command: cyclopts leaves out keys that are called like one of the app's, and `keep` is a verb.
    Dict(given, source=str(path))(app, (), arguments)
