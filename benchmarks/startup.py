"""How long `import stepdown` and `stepdown --help` take over the bare interpreter, each as a median of whole processes.

python benchmarks/startup.py [--json]
"""

import json
import statistics
import subprocess
import sys
import time
from importlib.metadata import requires

COMMANDS = {
    "bare": [sys.executable, "-c", "pass"],
    "import": [sys.executable, "-c", "import stepdown"],
    "help": [sys.executable, "-m", "stepdown", "--help"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    # In turn, so that a busy moment of the machine touches all three alike.
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(11):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    median = {name: statistics.median(some) for name, some in times.items()}
    row = {
        "bare_s": round(median["bare"], 3),
        "import_over_bare_s": round(median["import"] - median["bare"], 3),
        "help_s": round(median["help"], 3),
        "own_requirements": sum("extra ==" not in one for one in requires("stepdown") or []),
    }
    if "--json" in sys.argv:
        print(json.dumps({"bench": "startup", **row}))
        return
    for name, value in row.items():
        print(f"{name:>20}  {value}")


if __name__ == "__main__":
    main()
