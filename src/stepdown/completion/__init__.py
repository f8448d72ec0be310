"""Words that a shell may put in for the one at the cursor, found without loading the command line, and never an error.

The scripts that `stepdown completion SHELL` prints call `stepdown __complete SHELL ...`; what verbs and options there
are comes from a table that the command line wrote into the cache once.
"""

from stepdown.completion.answers import COMPLETE, complete
from stepdown.completion.scripts import SCRIPTS
from stepdown.completion.table import Makes, OptionWords, TypedWords, VerbWords, read_table

__all__ = ["COMPLETE", "SCRIPTS", "Makes", "OptionWords", "TypedWords", "VerbWords", "complete", "read_table"]
