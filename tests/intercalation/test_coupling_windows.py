"""Lambda split by windows and by atoms, on spectra whose parts are known."""

import numpy as np
import pytest

from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.errors import IntercalationError
from invdesflow.intercalation.coupling_windows import dos_gaps, lambda_by_atom, lambda_by_window

GRID = np.linspace(0.1, 160.0, 1600)


def lump(centre, width):
    return np.exp(-(((GRID - centre) / width) ** 2))


def spectrum(parts):
    """alpha2F of lumps with the lambda that is asked for; the weight of a lump is omega * lambda / 2 at its place."""
    values = sum(share * GRID / 2 * lump(centre, width) / (width * np.sqrt(np.pi)) for centre, width, share in parts)
    return Alpha2F(GRID, values)


PARTS = [(20.0, 3.0, 0.5), (70.0, 4.0, 0.9), (130.0, 5.0, 0.2)]
# heavy atom at 20 meV; at 70 meV the light one and a third of the heavy one; at 130 meV the light one alone
DENSITIES = np.array([lump(20.0, 3.0) + lump(70.0, 4.0), 2 * lump(70.0, 4.0) + lump(130.0, 5.0)])


def test_gaps_lie_between_the_lumps():
    assert dos_gaps(GRID, DENSITIES.sum(axis=0)) == pytest.approx([44.0, 99.0], abs=2.0)
    assert dos_gaps(GRID, np.ones_like(GRID)) == []


def test_windows_hold_their_lumps_and_add_up():
    found = spectrum(PARTS)
    windows = lambda_by_window(found, dos_gaps(GRID, DENSITIES.sum(axis=0)))
    assert [window.lambda_ for window in windows] == pytest.approx([0.5, 0.9, 0.2], rel=1e-3)
    assert sum(window.lambda_ for window in windows) == pytest.approx(found.lambda_, abs=1e-9)
    assert (windows[0].low_mev, windows[-1].high_mev) == (0.0, 160.0)
    assert windows[0].high_mev == windows[1].low_mev


def test_without_boundaries_there_is_one_window():
    (only,) = lambda_by_window(spectrum(PARTS), [])
    assert only.lambda_ == pytest.approx(1.6, rel=1e-3)


@pytest.mark.parametrize("boundaries", [[50.0, 30.0], [200.0], [0.0]])
def test_boundaries_that_do_not_divide_are_refused(boundaries):
    with pytest.raises(IntercalationError, match="do not divide"):
        lambda_by_window(spectrum(PARTS), boundaries)


def test_atoms_share_lambda_as_they_share_the_phonons():
    found = spectrum(PARTS)
    heavy, light = lambda_by_atom(found, GRID, DENSITIES, ["K", "H"])
    assert (heavy.element, light.element) == ("K", "H")
    assert heavy.lambda_ == pytest.approx(0.5 + 0.9 / 3, rel=5e-3)
    assert light.lambda_ == pytest.approx(0.9 * 2 / 3 + 0.2, rel=5e-3)
    assert heavy.lambda_ + light.lambda_ == pytest.approx(found.lambda_, abs=1e-9)


def test_coupling_without_phonons_is_refused():
    density = lump(20.0, 3.0)[None]
    with pytest.raises(IntercalationError, match="away from any phonon"):
        lambda_by_atom(spectrum(PARTS), GRID, density, ["K"])
