"""The program of a worker process: reads pairs of LaTeX answers, says whether math-verify finds them equal.

It runs alone in its own process, imports nothing of stepdown, and may be killed at any moment.
"""

import contextlib
import json
import logging
import signal
import sys

_MEMORY = 2 * 1024**3
_SECONDS = 60


def main() -> None:
    """Answer one JSON line `[gold, found]` with one line `true`, `false` or `null` until the input ends."""
    logging.disable(logging.CRITICAL)
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    from math_verify import parse, verify

    _limit_memory()
    print("ready", flush=True)
    for line in sys.stdin:
        # A parent that was killed cannot kill its worker: the alarm does.
        if hasattr(signal, "alarm"):
            signal.alarm(_SECONDS)
        gold, answer = json.loads(line)
        try:
            parsed = [parse(f"\\boxed{{{one}}}", parsing_timeout=None) for one in (gold, answer)]
            equal = bool(verify(*parsed, timeout_seconds=None)) if all(parsed) else None
        except (Exception, RecursionError):
            equal = None
        print(json.dumps(equal), flush=True)


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


if __name__ == "__main__":
    main()
