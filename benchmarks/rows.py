"""What benchmarks print: a row at a time, for people or as JSON."""

import json
from typing import Any

Row = dict[str, Any]


def print_row(row: Row, *, as_json: bool) -> None:
    """Print a row at once, as one object or as `name=value` side by side."""
    print(json.dumps(row) if as_json else "  ".join(f"{name}={value}" for name, value in row.items()), flush=True)
