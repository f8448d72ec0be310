"""What tastes say at a terminal, beside one another."""

import pytest

from stepdown.cli.taste_tables import show_tastes
from stepdown.tasting import ChainPrice, Taste, TastedStudent, purchases, taste_curves


def taste(name: str, dollars: float | None) -> Taste:
    students = TastedStudent(chains=0, problems=0, seed=0, steps=0, run="r", right=1, graded=2)
    curves = taste_curves([(0, [1, 0]), (8, [1, 1])])
    return Taste(
        corpus=name, fingerprint="f", base="b", test="t", size=50, passes=2.0, teachers={"t": 8}, students=(students,),
        expected=(curves.expect(50),), signs=(), best=0.5,
        purchases=purchases(ChainPrice("t", 1, 1, 1.0, dollars), 50, 1.0),
    )  # fmt: skip


@pytest.mark.parametrize(("second", "same"), [(0.5, True), (None, False), (0.0, False)])
def test_corpora_are_compared_for_the_same_money_only_where_each_has_a_price(
    second: float | None, same: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    show_tastes([taste("one", 0.5), taste("other", second)])
    _, _, table = capsys.readouterr().out.partition("\nCorpora\n")
    assert "other" in table
    assert ("for the same money" in table, "as many chains as of the first" in table) == (same, not same)
