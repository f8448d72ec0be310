"""`python -m stepdown` is the command line."""

import sys

from stepdown.cli import main

sys.exit(main())
