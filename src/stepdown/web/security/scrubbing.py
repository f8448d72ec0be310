"""Texts made fit to be shown or logged: no key of this machine in them, and nothing a terminal would obey."""

import os
import re
import sys
import traceback

from stepdown.models import Secret, read_env_file
from stepdown.text import clean

_SECRET = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD)S?$", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_SHORTEST = 6


def scrub(text: str, *more: Secret) -> str:
    """Return the text without any key that the environment or `.env` names, without `more`, without credentials."""
    settings = {**read_env_file(), **os.environ}
    keys = {value.strip() for name, value in settings.items() if _SECRET.search(name)}
    # A longer key may contain a shorter one.
    for key in sorted((key for key in keys if len(key) >= _SHORTEST), key=len, reverse=True):
        text = text.replace(key, "***")
    for secret in more:
        text = secret.scrub(text)
    return _CREDENTIALS.sub("***@", text)


def tell_error(error: BaseException, *more: Secret) -> None:
    """Write what failed, and where, to stderr."""
    lines = "".join(traceback.format_exception(error))
    sys.stderr.write(clean(scrub(lines, *more)))
    sys.stderr.flush()
