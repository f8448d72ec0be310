"""Perturbed problems: the same questions a little changed, so that a run on them shows what was learned by heart."""

from stepdown.problems.perturbing.perturb import CHANGES, Perturbed, perturb, write_perturbed

__all__ = ["CHANGES", "Perturbed", "perturb", "write_perturbed"]
