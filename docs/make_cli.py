"""Write `docs/cli.md` from the commands themselves; `make fix` runs it."""

from pathlib import Path

from stepdown.cli.manual import manual

Path(__file__).with_name("cli.md").write_text(manual(), encoding="utf-8")
