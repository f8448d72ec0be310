"""Prices: known, free, unknown, and the user's own."""

from pathlib import Path

import pytest

from stepdown.errors import UsageError
from stepdown.models import Prices, Rate
from stepdown.types import Usage

TIER = '{"start": 5, "input": 1, "output": 1}'
TIERED = '{"m": {"input": 1, "output": 2, "tiers": [TIERS]}}'
MILLION = Usage(input=1_000_000, output=1_000_000)


def test_a_known_model_is_priced_per_million_tokens() -> None:
    assert Prices().rate("openai/gpt-4o") == Rate(2.5, 10.0, 1.25)
    assert Prices().cost("openai/gpt-4o", MILLION) == pytest.approx(12.5)
    assert Prices().cost("openai/gpt-4o", Usage(input=1000, output=100)) == pytest.approx(0.0035)


def test_cached_input_has_its_own_price() -> None:
    assert Prices().cost("openai/gpt-4o", Usage(input=1000, cached=800)) == pytest.approx(0.0015)


def test_cached_input_without_a_price_costs_as_input() -> None:
    assert Rate(2.0, 8.0).cost(Usage(input=1_000_000, cached=500_000)) == pytest.approx(2.0)


def test_a_long_input_moves_the_whole_call_to_its_tier() -> None:
    prices = Prices()
    rate = prices.rate("anthropic/claude-sonnet-4-5")
    assert rate is not None and [tier.start for tier in rate.tiers] == [200_000]
    assert rate.cost(Usage(input=200_000)) == pytest.approx(0.6)
    assert rate.cost(Usage(input=200_001)) == pytest.approx(200_001 * 6 / 1e6)


@pytest.mark.parametrize(
    "name",
    ["openai/nosuch", "nosuch/gpt-4o", "gpt-4o", "scripted-teacher", "openai-api/lab/gpt-4o", "", "openai/"],
)
def test_an_unknown_price_is_unknown_and_never_nothing(name: str) -> None:
    assert Prices().cost(name, MILLION) is None
    assert Prices().rate(name) is None


def test_unknown_usage_is_an_unknown_price() -> None:
    assert Prices().cost("openai/gpt-4o", None) is None


@pytest.mark.parametrize(
    "name",
    ["embedded/x", "ollama/llama3.2:1b", "vllm/m", "recorded/x", "scripted", "models/x.gguf", "openai-api/vllm/m"],
)
def test_models_on_ones_own_machine_cost_nothing(name: str) -> None:
    assert Prices().cost(name, MILLION) == Prices().cost(name, None) == 0.0


def test_a_student_folder_costs_nothing(tmp_path: Path) -> None:
    assert Prices().cost(str(tmp_path), MILLION) == 0.0


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "p.json",
            '{"openai/gpt-4o": {"input": 1, "output": 2, "cached": 0.5}, "ollama/m": {"input": 3, "output": 0}}',
        ),
        ("p.toml", '["openai/gpt-4o"]\ninput = 1\noutput = 2\ncached = 0.5\n["ollama/m"]\ninput = 3\noutput = 0.0\n'),
    ],
)
def test_the_users_file_goes_first(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    prices = Prices(tmp_path / file)
    assert prices.rate("openai/gpt-4o") == Rate(1.0, 2.0, 0.5)
    assert prices.cost("ollama/m", MILLION) == pytest.approx(3.0)
    assert prices.cost("openai/gpt-4", Usage(input=1_000_000)) == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("p.json", "{", "cannot read the prices"),
        ("p.json", '{"m": {"input": 1}}', "missing required field `output`"),
        ("p.json", '{"m": {"input": "1", "output": 2}}', "Expected `float`, got `str`"),
        ("p.json", '{"m": {"input": 1, "output": 2, "price": 3}}', "unknown field `price`"),
        ("p.json", '{"m": {"input": -1, "output": 2}}', "impossible price for `m`"),
        ("p.toml", '["m"]\ninput = inf\noutput = 2\n', "impossible price for `m`"),
        ("p.toml", "input = ", "cannot read the prices"),
        ("p.json", '{"m": {"input": 1, "output": 1e400}}', "cannot read the prices"),
        ("p.json", '{"m": ' + "[" * 9999, "cannot read the prices"),
        ("p.toml", "m = " + "[" * 9999, "cannot read the prices"),
        ("p.json", TIERED.replace("TIERS", '{"start": 5, "input": 1, "output": -1}'), "impossible price for `m`"),
        ("p.json", TIERED.replace("TIERS", '{"start": -5, "input": 1, "output": 1}'), "tiers for `m`"),
        ("p.json", TIERED.replace("TIERS", ", ".join([TIER, TIER])), "tiers for `m`"),
    ],
)
def test_a_bad_price_file_says_what_is_wrong(tmp_path: Path, file: str, text: str, message: str) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(UsageError, match=message):
        Prices(tmp_path / file)


def test_tiers_count_in_any_order_of_the_file(tmp_path: Path) -> None:
    tiers = [f'{{"start": {start}, "input": {start}, "output": 0}}' for start in (200, 100)]
    (tmp_path / "p.json").write_text(TIERED.replace("TIERS", ", ".join(tiers)))
    rate = Prices(tmp_path / "p.json").rate("m")
    assert rate is not None and [tier.start for tier in rate.tiers] == [100, 200]
    for tiered in (rate, Rate(1.0, 2.0, tiers=rate.tiers[::-1])):
        assert [tiered.cost(Usage(given)) * 1e6 for given in (100, 101, 201)] == pytest.approx([100, 10100, 40200])


def test_a_missing_price_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the prices `.*none\.json`"):
        Prices(tmp_path / "none.json")
