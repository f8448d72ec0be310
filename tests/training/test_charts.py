"""The learning curves of students: each axis begins where it should."""

import re

import pytest

from stepdown.reports.charts import svg
from stepdown.training.charts import curves_chart


@pytest.mark.parametrize(
    ("field", "values", "ends"),
    [
        ("dev", (0.0, 0.0), (0, 100)),
        ("dev", (0.0, 0.5), (0, 50)),
        ("dev", (0.5, 0.5), (0, 50)),
        ("loss", (1.0, 1.5), (1, 1.5)),
    ],
)
def test_shares_begin_at_zero_also_where_nothing_is_right(
    field: str, values: tuple[float, ...], ends: tuple[float, float]
) -> None:
    logs = {"seed-0": [{"step": step, field: value} for step, value in enumerate(values)]}
    axes = re.findall(r"Y-axis.*? with values from ([\d.]+) to ([\d.]+)", svg(curves_chart(logs), "x"))
    assert [tuple(map(float, one)) for one in axes] == [ends]
