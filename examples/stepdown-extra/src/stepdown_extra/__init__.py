"""One plugin of each kind for stepdown."""
