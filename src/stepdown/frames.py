"""What runs and reports become in somebody's own analysis: dicts, or a frame of polars or of pandas."""

from importlib import import_module
from typing import Any

from stepdown.errors import UsageError
from stepdown.extras import load_polars

Dicts = list[dict[str, Any]]


class Convertible:
    """Something with rows; whoever derives from it says what they are, as `to_dicts`."""

    __slots__ = ()

    def to_dicts(self) -> Dicts:
        """Return the rows as dicts of plain values, all with the same keys."""
        raise NotImplementedError

    def to_polars(self) -> Any:
        """Return the rows as a polars frame. Raises `MissingExtra` without the extra `data`."""
        return load_polars().DataFrame(self.to_dicts(), infer_schema_length=None)

    def to_pandas(self) -> Any:
        """Return the rows as a pandas frame. Raises `UsageError` where pandas is not installed."""
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise UsageError("a pandas frame needs `pandas`: not installed", "pip install pandas") from error
        return pandas.DataFrame(self.to_dicts())
