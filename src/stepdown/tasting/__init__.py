"""Tasting: from a little of a corpus, what all of it would teach, what is odd about it, and what its money buys else.

It trains nothing: `stepdown taste` does, by what `training` has.
"""

from stepdown.tasting.portions import TastePortions, halved_sizes, read_portions
from stepdown.tasting.purchases import (
    ChainPrice,
    Purchase,
    affordable,
    main_teacher,
    of_another,
    price_chains,
    priced_by_store,
    purchases,
)
from stepdown.tasting.signs import ChainSign, chain_signs
from stepdown.tasting.tastes import (
    Taste,
    TasteCurves,
    TastedStudent,
    TasteExpectation,
    best_shares,
    middle,
    read_taste,
    taste_curves,
    taste_folder,
    write_taste,
)

__all__ = [
    "ChainPrice",
    "ChainSign",
    "Purchase",
    "Taste",
    "TasteCurves",
    "TasteExpectation",
    "TastePortions",
    "TastedStudent",
    "affordable",
    "best_shares",
    "chain_signs",
    "halved_sizes",
    "main_teacher",
    "middle",
    "of_another",
    "price_chains",
    "priced_by_store",
    "purchases",
    "read_portions",
    "read_taste",
    "taste_curves",
    "taste_folder",
    "write_taste",
]
