"""What runs and reports become in somebody's own analysis: dicts, or a frame of polars or of pandas."""

from importlib import import_module
from typing import Any, Protocol

from stepdown.errors import UsageError
from stepdown.extras import load_polars

Dicts = list[dict[str, Any]]


class HasRows(Protocol):
    """Something whose rows are dicts of plain values, all with the same keys."""

    def to_dicts(self) -> Dicts: ...  # noqa: D102


class Convertible:
    """What has rows becomes a frame; whoever derives from it says what they are, as `to_dicts`."""

    __slots__ = ()

    def to_polars(self: HasRows) -> Any:
        """Return the rows as a polars frame. Raises `MissingExtra` without the extra `data`."""
        return load_polars().DataFrame(self.to_dicts(), infer_schema_length=None)

    def to_pandas(self: HasRows) -> Any:
        """Return the rows as a pandas frame. Raises `UsageError` where pandas is not installed."""
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise UsageError("a pandas frame needs `pandas`: not installed", "pip install pandas") from error
        return pandas.DataFrame(self.to_dicts())
