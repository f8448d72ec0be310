"""Records commands at a terminal: `docs/recordings/NAME.cast` (asciinema's format) and `NAME.svg`, its last screen.

python docs/make_recordings.py [tour] [ask] [demo] [--out docs/recordings]

Without names, all of them. `tour` needs nothing, `ask` and `demo` solve with models of this machine (weights are
fetched at the first time). Each runs as it is printed, in an empty folder, at a terminal of 100 columns.
"""

import argparse
import codecs
import io
import json
import os
import pty
import re
import select
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from fcntl import ioctl
from itertools import groupby
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

HERE = Path(__file__).parent
COLUMNS, ROWS = 100, 30
QUESTION = "A baker fills 6 trays with 12 rolls each and sells 40 of the rolls. How many rolls are left?"
COMMANDS = {"tour": ("tour",), "ask": ("ask", QUESTION), "demo": ("demo",)}
# Lines of a picture: a screen is what is seen at once, and what a story ends with is not its beginning.
SHOWN = {"tour": (0, 37), "ask": (0, 46), "demo": (-46, None)}
Event = tuple[float, str]
_HEX, _FONTS = re.compile("[0-9a-f]{6}"), re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def record(words: Sequence[str], folder: Path) -> list[Event]:
    """Run a command at a terminal of its own and return what it wrote, with seconds since it began."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
        os.execve(sys.executable, [sys.executable, "-m", "stepdown", *words], environment)
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    began, decoder, events = time.monotonic(), codecs.getincrementaldecoder("utf-8")("replace"), list[Event]()
    while True:
        select.select([terminal], [], [])
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux says so where the other end is closed
            data = b""
        if not data:
            break
        events.append((round(time.monotonic() - began, 3), decoder.decode(data)))
    if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise SystemExit(f"`stepdown {' '.join(words)}` returned {code}")
    return events


def cast(words: Sequence[str], events: Sequence[Event]) -> str:
    """Return a recording in asciinema's format, version 2: a head, then a line for each piece of output."""
    head = {
        "version": 2,
        "width": COLUMNS,
        "height": ROWS,
        "command": line_of(words),
        "env": {"TERM": "xterm-256color"},
    }
    rows = [head, *([seconds, "o", text] for seconds, text in events)]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def line_of(words: Sequence[str]) -> str:
    """Return a command as one types it."""
    return " ".join(["stepdown", *(f'"{word}"' if " " in word else word for word in words)])


def lines_of(events: Sequence[Event]) -> list[Text]:
    """Return every line that a terminal without end would hold at last; what was drawn over is gone."""
    screen = pyte.Screen(COLUMNS, 2000)
    stream = pyte.Stream(screen)
    for _, text in events:
        stream.feed(text)
    lines = [_line(screen, row) for row in range(screen.lines)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    return lines


def _line(screen: pyte.Screen, row: int) -> Text:
    """A line, its characters of one look together."""
    cells = [screen.buffer[row][column] for column in range(COLUMNS)]
    line = Text()
    for (colour, bold), some in groupby(cells, lambda cell: (cell.fg, cell.bold)):
        named = None if colour == "default" else f"#{colour}" if _HEX.fullmatch(colour) else colour
        line.append("".join(cell.data for cell in some), Style(color=named, bold=bold))
    line.rstrip()
    return line


def picture(words: Sequence[str], lines: Sequence[Text], file: Path) -> None:
    """Draw a command and lines of its output as a terminal in an svg."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {line_of(words)}", style="bold"))
    for line in lines:
        console.print(line, no_wrap=True, crop=True)
    drawn = console.export_svg(title="stepdown", unique_id="stepdown")
    # Its fonts would be fetched from elsewhere; a reader's own will do.
    file.write_text(_FONTS.sub("", drawn), encoding="utf-8")


def main() -> None:
    """Record the commands that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", default=[], help=f"of {', '.join(COMMANDS)}")
    parser.add_argument("--out", type=Path, default=HERE / "recordings")
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True)
    for name in given.names or COMMANDS:
        with tempfile.TemporaryDirectory() as folder:
            events = record(COMMANDS[name], Path(folder))
        (given.out / f"{name}.cast").write_text(cast(COMMANDS[name], events), encoding="utf-8")
        begin, end = SHOWN[name]
        picture(COMMANDS[name], lines_of(events)[begin:end], given.out / f"{name}.svg")
        print(f"{name}: {events[-1][0]:.1f} s, {len(events)} pieces of output")


if __name__ == "__main__":
    main()
