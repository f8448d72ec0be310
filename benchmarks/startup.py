"""How long `import stepdown`, `--help`, `--version`, a list of runs and a Tab take, as medians of whole processes.

All but the bare interpreter with their modules compiled, as an installed program has them.

python benchmarks/startup.py [--json]
"""

import json
import os
import statistics
import subprocess
import sys
import time
from importlib.metadata import requires

from compiled import compiled

COMMANDS = {
    "bare": [sys.executable, "-c", "pass"],
    "import": [sys.executable, "-c", "import stepdown"],
    "help": [sys.executable, "-m", "stepdown", "--help"],
    "version": [sys.executable, "-m", "stepdown", "--version"],
    "runs": [sys.executable, "-m", "stepdown", "runs", "--store", os.devnull + ".none"],
    "tab": [sys.executable, "-m", "stepdown", "__complete", "zsh", "stepdown", "run", ""],
    "report_help": [sys.executable, "-m", "stepdown", "report", "--help"],
}


def seconds(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - start


def main() -> None:
    # In turn, so that a busy moment of the machine touches all alike.
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with compiled(*(command[1:] for command in COMMANDS.values())) as environment:
        for _ in range(11):
            for name, command in COMMANDS.items():
                times[name].append(seconds(command, environment))
    median = {name: statistics.median(some) for name, some in times.items()}
    row = {
        "bare_s": round(median["bare"], 3),
        "import_over_bare_s": round(median["import"] - median["bare"], 3),
        **{f"{name}_s": round(median[name], 3) for name in ("help", "version", "runs", "tab", "report_help")},
        "own_requirements": sum("extra ==" not in one for one in requires("stepdown") or []),
    }
    if "--json" in sys.argv:
        print(json.dumps({"bench": "startup", **row}))
        return
    for name, value in row.items():
        print(f"{name:>20}  {value}")


if __name__ == "__main__":
    main()
