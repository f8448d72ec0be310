"""`--track` without a name: the tracker that keeps all on this machine."""

from collections.abc import Sequence

USUAL = "trackio"


def name_tracker(tokens: Sequence[str]) -> Sequence[str]:
    """Return a command line on which `--track` that no name follows names the usual tracker."""
    end = [*tokens, "--"].index("--")
    if "--track" not in tokens[:end]:
        return tokens
    after = list(tokens).index("--track") + 1
    alone = after == len(tokens) or tokens[after].startswith("-")
    return [*tokens[:after], *([USUAL] if alone else []), *tokens[after:]]
