"""Write `docs/cli.md` from the commands themselves; `make fix` runs it."""

from pathlib import Path

from stepdown.cli.manual import manual
from stepdown.files import write_whole

write_whole(Path(__file__).with_name("cli.md"), manual().encode())
