"""What loading a base takes: from its GGUF file and the folder that is made of it, and from a folder in bf16.

python benchmarks/bases.py [NAME ...] [--json]

Of each base: seconds of the processor from the file and from the folder; then, of the same base stored in bf16, as most
are, seconds and the largest private memory in GB of what was done before (read in fp32 and rounded) and now (rounded as
it is read), each in a process of its own. The memory is read from Linux.
"""

import argparse
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rows import print_row

from stepdown.models.local import bases, find_base, load_base, to_bf16


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def private() -> float:
    """Return the memory of this process that no file stands behind, in GB."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) / 1e6


def read_in_bf16(folder: str, way: str) -> dict[str, float]:
    """Load a folder's base for a training in bf16 and return seconds of the processor and the most memory it took."""
    bases.load_transformers()
    location, before, done = find_base(folder), private(), threading.Event()
    seen = [before]

    def watch() -> None:
        while not done.wait(0.05):
            seen.append(private())

    def load() -> None:
        base = load_base(location, bf16=way == "now")
        to_bf16(base.model)

    watching = threading.Thread(target=watch)
    watching.start()
    spent = seconds(load)
    done.set()
    watching.join()
    return {f"{way}_s": round(spent, 2), f"{way}_gb": round(max(seen) - before, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["smollm2-135m"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    bases.load_transformers()
    for name in options.names:
        location = find_base(name)
        base = load_base(location)  # makes the folder where it is not there
        file, folder = seconds(lambda one=location: bases._load(one)), seconds(lambda one=location: load_base(one))
        row = {"base": name, "from_file": round(file, 2), "from_folder": round(folder, 2)}
        print_row({**row, "times_faster": round(file / folder, 1)}, as_json=options.json)
        with tempfile.TemporaryDirectory() as stored, bases.quiet():
            to_bf16(base.model)
            base.model.save_pretrained(stored)
            base.tokenizer.save_pretrained(stored)
            row = {"stored_in_bf16": name}
            for way in ("before", "now"):
                with multiprocessing.get_context("spawn").Pool(1) as alone:
                    row |= alone.apply(read_in_bf16, (stored, way))
        print_row(row, as_json=options.json)


if __name__ == "__main__":
    main()
