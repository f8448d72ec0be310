"""The command `stepdown`, which is also `python -m stepdown`."""

import sys
from importlib import import_module

from stepdown.completion import COMPLETE, Table, complete


def make_table() -> Table:
    """Return what can be typed, from the commands themselves."""
    made: Table = import_module("stepdown.cli.completion_words").completion_words()
    return made


def main() -> int:
    """Run the command line; what a shell asks at every Tab is answered without loading it."""
    if sys.argv[1:2] == [COMPLETE]:
        return complete(sys.argv[2:], make_table)
    code: int = import_module("stepdown.cli").main()
    return code


if __name__ == "__main__":
    sys.exit(main())
