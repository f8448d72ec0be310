"""`stepdown help`: what a verb takes, as `--help` after it says."""

from stepdown.cli import main


def help(*verb: str) -> int:
    """Say what a verb takes.

    Parameters
    ----------
    verb
        A verb, and a command of it, such as `store merge`; all verbs where none is named.
    """
    return main([*verb, "--help"])
