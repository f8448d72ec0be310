"""What tokens cost, in US dollars."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.models.http.endpoints import ANY, LOCAL
from stepdown.toml_files import read_toml
from stepdown.types import Pricing, Usage

# OpenAI, Azure, Anthropic and Gemini all take half the price for what a batch brings.
BATCH_SHARE = 0.5
_FREE = LOCAL | {"embedded", "recorded", "scripted"}
_FORMAT = '{"openai/gpt-4o": {"input": 2.5, "output": 10.0, "cached": 1.25}}, in dollars per million tokens'


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Prices of a call whose input is longer than `start` tokens."""

    start: int
    input: float
    output: float
    cached: float | None = None


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dollars per million tokens; `cached` is for cached input, at the price of input where None.

    Of `tiers` the one with the largest `start` that a call's input exceeds prices the whole call. What a batch brought
    costs the share `batch` of all that.
    """

    input: float
    output: float
    cached: float | None = None
    tiers: tuple[Tier, ...] = ()
    batch: float = BATCH_SHARE

    def cost(self, usage: Usage) -> float:
        """Return the dollars for these tokens."""
        reached = [tier for tier in self.tiers if usage.input > tier.start]
        price: Rate | Tier = max(reached, key=lambda tier: tier.start) if reached else self
        cached = price.input if price.cached is None else price.cached
        fresh = usage.input - usage.cached
        dollars = (fresh * price.input + usage.cached * cached + usage.output * price.output) / 1_000_000
        return dollars * self.batch if usage.batched else dollars


FREE = Rate(0.0, 0.0)


class Prices:
    """The user's price file, where given, before the offline data of genai-prices.

    A price that is not known is None, never 0. Models in this process, self-hosted (`ollama/`,
    `vllm/`, `llamacpp/`, `lmstudio/`, `sglang/`), recorded or scripted cost 0 unless the file prices them.
    Prices that change by date or hour are taken as at the first look-up.
    """

    def __init__(self, file: Path | str | None = None) -> None:
        self._rates: dict[str, Rate | None] = dict(read_prices(Path(file))) if file is not None else {}

    def rate(self, model: str) -> Rate | None:
        """Return the rate of a model string, None where unknown."""
        if model not in self._rates:
            self._rates[model] = FREE if _is_free(model) else _look_up(model)
        return self._rates[model]

    def cost(self, model: str, usage: Usage | None) -> float | None:
        """Return the dollars of one call, None where rate or usage is unknown, or no call can have used so much."""
        rate = self.rate(model)
        if rate == FREE:
            return 0.0
        return None if rate is None or usage is None or not usage.possible else rate.cost(usage)

    def costs(self, model: str, usages: Sequence[tuple[int, int, int]]) -> list[float | None]:
        """Return `cost` of many calls of one model, given as (input, output, cached) tokens that are possible."""
        rate = self.rate(model)
        if rate is None or rate == FREE:
            return [0.0 if rate else None] * len(usages)
        if rate.tiers:
            return [rate.cost(Usage(*one)) for one in usages]
        fresh, written, known = rate.input, rate.output, rate.input if rate.cached is None else rate.cached
        return [((given - had) * fresh + had * known + wrote * written) / 1_000_000 for given, wrote, had in usages]


class BatchPrices:
    """Prices of calls before they are made, where those of some models will be made in batches."""

    def __init__(self, prices: Pricing, batched: Callable[[str], bool]) -> None:
        self._prices, self._batched = prices, batched

    def cost(self, model: str, usage: Usage | None) -> float | None:
        """Return the dollars of one call, None where rate or usage is unknown."""
        if usage is not None and self._batched(model):
            usage = msgspec.structs.replace(usage, batched=1)
        return self._prices.cost(model, usage)


def read_prices(file: Path) -> Mapping[str, Rate]:
    """Return the rates in a JSON or TOML file; raises `UsageError` naming the file and the place in it."""
    rates = read_toml(file, dict[str, Rate], "the prices", f"give --prices an existing file with {_FORMAT}")
    return {model: _checked(file, model, rate) for model, rate in rates.items()}


def _checked(file: Path, model: str, rate: Rate) -> Rate:
    """Return a rate of the user's with its tiers in order; raises `UsageError` for what no price can be."""
    prices: tuple[Rate | Tier, ...] = (rate, *rate.tiers)
    for price in prices:
        numbers = (price.input, price.output, price.cached or 0.0, rate.batch)
        if any(number < 0 or not isfinite(number) for number in numbers):
            raise UsageError(f"`{file}` has an impossible price for `{model}`", f"write {_FORMAT}")
    starts = [tier.start for tier in rate.tiers]
    if any(start < 0 for start in starts) or len({*starts}) < len(starts):
        raise UsageError(
            f"`{file}` has tiers for `{model}` that begin below 0 or twice at one length",
            "give each tier a `start` in tokens of its own",
        )
    return msgspec.structs.replace(rate, tiers=tuple(sorted(rate.tiers, key=lambda tier: tier.start)))


def _is_free(model: str) -> bool:
    provider, _, rest = model.partition("/")
    if provider in ANY:
        return rest.partition("/")[0] in _FREE
    return provider in _FREE or model.endswith(".gguf") or (model != "" and Path(model).is_dir())


def _look_up(model: str) -> Rate | None:
    from genai_prices.data_snapshot import get_snapshot

    provider, _, name = model.partition("/")
    if provider in ANY:
        provider, _, name = name.partition("/")
    if not name:
        return None
    try:
        _, listed = get_snapshot().find_provider_model(name, None, provider, None)
    except LookupError:
        return None
    return _convert_price(listed.get_prices(datetime.now(UTC)))


def _convert_price(price: Any) -> Rate | None:
    kinds = (price.input_mtok, price.output_mtok, price.cache_read_mtok)
    by_call = price.__dict__.get("requests_kcount")
    if kinds[0] is None or kinds[1] is None or by_call:
        return None
    starts = sorted({tier.start for kind in kinds for tier in getattr(kind, "tiers", ())})
    tiers = tuple(Tier(start, *(_price_above(kind, start) for kind in kinds)) for start in starts)
    given, written, cached = (_price_above(kind, -1) for kind in kinds)
    return Rate(given, written, cached, tiers)


def _price_above(price: Any, start: int) -> Any:
    """Return the dollars of a plain or tiered price for an input just above `start` tokens."""
    if price is None or isinstance(price, Decimal):
        return None if price is None else float(price)
    passed = [tier.price for tier in price.tiers if start >= tier.start]
    return float(passed[-1] if passed else price.base)
