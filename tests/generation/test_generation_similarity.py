"""The similarity of elements against what every chemist knows."""

import pytest

from invdesflow.crystals.geometry import usual_volume
from invdesflow.errors import ConfigurationError
from invdesflow.generation.similarity import DEFAULT_ELEMENTS, dissimilarity, replacement_weights


def test_it_is_a_distance():
    trio = ("Nb", "Ge", "H")
    for a in trio:
        assert dissimilarity(a, a) == 0
        for b in trio:
            assert dissimilarity(a, b) == dissimilarity(b, a)
            for c in trio:
                assert dissimilarity(a, c) <= dissimilarity(a, b) + dissimilarity(b, c) + 1e-12


def test_one_unit_of_every_property():
    # Nb (M 47, 1.64 A, X 1.6) and Ta (M 46, 1.70 A, X 1.5)
    assert dissimilarity("Nb", "Ta") == pytest.approx(1 / 10 + 0.03593 / 0.2 + 0.1 / 0.8, abs=0.11)


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [("Nb", {"Ta", "V", "Ti"}), ("La", {"Ce", "Pr"}), ("K", {"Rb"}), ("Si", {"Ge"}), ("Rh", {"Ir"})],
)
def test_nearest_elements_are_the_expected_ones(symbol, expected):
    nearest = list(replacement_weights(symbol, DEFAULT_ELEMENTS, 1.0))[:4]
    assert expected <= set(nearest)


def test_weights_are_normalised_and_softer_is_flatter():
    sharp = replacement_weights("Nb", DEFAULT_ELEMENTS, 0.3)
    soft = replacement_weights("Nb", DEFAULT_ELEMENTS, 3.0)
    assert sum(sharp.values()) == pytest.approx(1)
    assert "Nb" not in sharp
    assert max(sharp.values()) > 3 * max(soft.values())


def test_default_elements_have_everything_that_is_asked_of_them():
    assert len(DEFAULT_ELEMENTS) == 76
    assert not {"He", "Xe", "Tc", "Pm", "U", "Pu"} & set(DEFAULT_ELEMENTS)
    for symbol in DEFAULT_ELEMENTS:
        assert dissimilarity("Nb", symbol) >= 0
        assert usual_volume(symbol) > 0


@pytest.mark.parametrize("symbol", ["Qq", "He", "Lr", ""])
def test_elements_without_data_are_an_error(symbol):
    with pytest.raises(ConfigurationError):
        dissimilarity("Nb", symbol)
