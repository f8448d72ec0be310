"""Authentication by one token: the token itself, the session a browser keeps in its place, and limits on guesses."""

import hmac
import secrets
import time
from collections import deque
from hashlib import sha256

from stepdown.models import Secret

COOKIE = "stepdown"
SHORTEST = 16
_TRIES, _SECONDS, _ADDRESSES = 10, 60.0, 1000


class TokenAuth:
    """Checks the token; without a token everybody is let in.

    A browser keeps a `session`, which does not reveal the token and ends with the server or at `end_sessions`.
    `attempts` counts wrong tokens.
    """

    def __init__(self, token: Secret) -> None:
        self.token, self.attempts = token, LoginAttempts()
        self._key = secrets.token_bytes(32)

    def __bool__(self) -> bool:
        return bool(self.token)

    @property
    def session(self) -> str:
        """What a browser's cookie holds: 64 hexadecimal digits."""
        return hmac.new(self._key, self.token.reveal().encode(), sha256).hexdigest()

    def verify(self, token: str) -> bool:
        """Whether this is the token, compared in constant time."""
        return bool(self.token) and _same(token, self.token.reveal())

    def verify_session(self, session: str) -> bool:
        """Whether this is the current session."""
        return bool(self.token) and _same(session, self.session)

    def end_sessions(self) -> None:
        """Invalidate every session given so far."""
        self._key = secrets.token_bytes(32)


def _same(given: str, wanted: str) -> bool:
    # Through hashes, so that not even the length of what was given changes the time.
    return hmac.compare_digest(sha256(given.encode("utf-8", "replace")).digest(), sha256(wanted.encode()).digest())


class LoginAttempts:
    """Counts wrong tokens by address: ten within a minute, and the next must wait."""

    def __init__(self) -> None:
        self._wrong: dict[str, deque[float]] = {}

    def wait(self, address: str) -> float:
        """Return the seconds until this address may try again, 0 if it may now."""
        times = self._recent(address)
        return max(0.0, times[0] + _SECONDS - time.monotonic()) if len(times) >= _TRIES else 0.0

    def note(self, address: str) -> None:
        """Remember a wrong token; the address heard of longest ago is forgotten where there are too many."""
        times = self._recent(address)
        times.append(time.monotonic())
        self._wrong.pop(address, None)
        self._wrong[address] = times
        if len(self._wrong) > _ADDRESSES:
            del self._wrong[next(iter(self._wrong))]

    def _recent(self, address: str) -> deque[float]:
        times = self._wrong.get(address) or deque(maxlen=_TRIES)
        while times and times[0] < time.monotonic() - _SECONDS:
            times.popleft()
        return times
