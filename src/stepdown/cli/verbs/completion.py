"""`stepdown completion`: the script by which a shell completes what is typed."""

import sys
from typing import Literal

from stepdown.cli.completion_words import completion_words
from stepdown.completion import SCRIPTS, read_table

Shell = Literal["bash", "zsh", "fish"]


def completion(shell: Shell, /) -> int:
    """Write the script of a shell to stdout.

    Parameters
    ----------
    shell
        The shell that is to complete words.
    """
    read_table(completion_words)  # so that the first Tab finds it in the cache
    sys.stdout.write(SCRIPTS[shell])
    return 0
