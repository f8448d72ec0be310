"""What loading a base takes from its GGUF file and from the folder that is made of it, in seconds of the processor.

python benchmarks/bases.py [NAME ...] [--json]
"""

import argparse
import time
from collections.abc import Callable

from rows import print_row

from stepdown.models.local import bases, find_base, load_base


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["smollm2-135m"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    bases.load_transformers()
    for name in options.names:
        location = find_base(name)
        load_base(location)  # makes the folder where it is not there
        file, folder = seconds(lambda one=location: bases._load(one)), seconds(lambda one=location: load_base(one))
        row = {"base": name, "from_file": round(file, 2), "from_folder": round(folder, 2)}
        print_row({**row, "times_faster": round(file / folder, 1)}, as_json=options.json)


if __name__ == "__main__":
    main()
