"""Where this repository lies, and the data that is read where it lies beside it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"
SHARED = ROOT.parent / "shared" / "data"
