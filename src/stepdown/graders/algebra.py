"""The program of a worker process: reads pairs of LaTeX answers, says whether math-verify finds them equal.

It runs alone in its own process, imports nothing of stepdown, and may be killed at any moment.
"""

import contextlib
import json
import logging
import signal
import sys

_MEMORY = 2 * 1024**3


def main() -> None:
    """Answer one JSON line `[gold, found, seconds]` with one line `true`, `false` or `null` until the input ends.

    A comparison that takes more seconds of the processor ends this process, also where nobody waits for it any more.
    """
    logging.disable(logging.CRITICAL)
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    from math_verify import parse, verify

    _limit_memory()
    print("ready", flush=True)
    for line in sys.stdin:
        gold, answer, seconds = json.loads(line)
        if hasattr(signal, "setitimer"):
            # Of the processor, not of the clock: a verdict must not depend on what else a machine does.
            signal.setitimer(signal.ITIMER_PROF, seconds)
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
