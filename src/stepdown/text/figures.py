"""How a report writes its figures: shares in percent, differences in points, and unknown as a word."""

DASH = "–"
UNKNOWN = "unknown"


def percent(share: float | None) -> str:
    """Write a share of 1 in percent, with one decimal: `56.0`."""
    return DASH if share is None else f"{100 * share:.1f}"


def points(share: float | None) -> str:
    """Write a difference of shares in signed percentage points: `+11.5`."""
    return DASH if share is None else f"{100 * share:+.1f}".replace("-", "−")


def between(low: str, high: str) -> str:
    """Write an interval; nothing if it is not known."""
    return "" if DASH in (low, high) else f" [{low}, {high}]"


def chance(p: float | None) -> str:
    """Write a p-value with three decimals, or that it is below .001."""
    if p is None:
        return DASH
    return "<.001" if p < 0.0005 else f"{p:.3f}".removeprefix("0")


def count(number: int | None) -> str:
    """Write a number of tokens: `842`, `24.1 k`, `3.20 M`, `48.6 G`."""
    if number is None:
        return UNKNOWN
    if number < 10_000:
        return str(number)
    if number < 999_950:
        return f"{number / 1000:.1f} k"
    return f"{number / 1e6:.2f} M" if number < 9_999_500_000 else f"{number / 1e9:.1f} G"


def size(number: float) -> str:
    """Write a number of bytes: `842 B`, `24 kB`, `3.2 MB`, `114 GB`."""
    names = ("B", "kB", "MB", "GB", "TB")
    power = next((power for power in range(len(names)) if number < 999.5 * 1000**power), len(names) - 1)
    scaled = number / 1000**power
    return f"{scaled:.1f} {names[power]}" if scaled < 9.95 and power else f"{scaled:,.0f} {names[power]}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 call`, `2 calls`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def money(dollars: float | None) -> str:
    """Write USD with cents, or two significant digits below ten cents: `$1.20`, `$0.0043`."""
    if dollars is None:
        return UNKNOWN
    if not dollars:
        return "$0"
    return f"${dollars:,.2f}" if dollars >= 0.1 else f"${dollars:.2g}" if dollars >= 1e-4 else "<$0.0001"


def duration(seconds: float) -> str:
    """Write seconds as `12 s`, `3.4 min`, `1.2 h` or `4.5 days`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 360_000 else f"{seconds / 86_400:.1f} days"


def pace(rate: float) -> str:
    """Write how many are done in a second, or in a minute where that is less than one a second: `2.3/s`, `4.0/min`."""
    return f"{rate:.1f}/s" if rate >= 1 or not rate else f"{60 * rate:.1f}/min"


def clipped(name: str, width: int) -> str:
    """Return a name on one line in at most `width` characters, its middle left out if it must be."""
    name = " ".join(name.split())
    if len(name) <= width:
        return name
    tail = (width - 1) // 2
    return f"{name[: width - 1 - tail]}…{name[-tail:]}"


def short(model: str, width: int = 40) -> str:
    """Return the last part of a model's name, clipped: `gpt-4o` of `openai/gpt-4o`; a student's seed comes with it."""
    rest, _, last = model.rstrip("/").rpartition("/")
    if last.startswith("seed-"):
        last = f"{rest.rpartition('/')[2]}/{last}"
    return clipped(last or model, width)
