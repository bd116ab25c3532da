"""How good generated crystals are: the metrics of the field, independent of what generated them."""
