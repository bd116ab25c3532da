"""The shipped superconductor classifier on crystals whose answer is known, and on those that have none."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.errors import ModelError
from invdesflow.screening.classifier import Classifier
from invdesflow.screening.description import Descriptor


def cubic(group, a, species, places):
    return Structure.from_spacegroup(group, Lattice.cubic(a), species, places).get_primitive_structure()


GATE = 0.2  # what the model card recommends
ORIGIN, HALF, QUARTER = [0, 0, 0], [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]
INSULATORS = {
    "c-BN": cubic("F-43m", 3.615, ["B", "N"], [ORIGIN, QUARTER]),
    "h-BN": Structure(
        Lattice.hexagonal(2.504, 6.661),
        ["B", "B", "N", "N"],
        [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75], [2 / 3, 1 / 3, 0.25], [1 / 3, 2 / 3, 0.75]],
    ),
    "NaCl": cubic("Fm-3m", 5.640, ["Na", "Cl"], [ORIGIN, HALF]),
    "MgO": cubic("Fm-3m", 4.212, ["Mg", "O"], [ORIGIN, HALF]),
    "diamond": cubic("F-43m", 3.567, ["C", "C"], [ORIGIN, QUARTER]),
}
MAGNETS = {
    "Fe": cubic("Im-3m", 2.867, ["Fe"], [ORIGIN]),
    "NiO": cubic("Fm-3m", 4.177, ["Ni", "O"], [ORIGIN, HALF]),
}
SUPERCONDUCTORS = {
    "NbN": cubic("Fm-3m", 4.39, ["Nb", "N"], [ORIGIN, HALF]),
    "NbC": cubic("Fm-3m", 4.47, ["Nb", "C"], [ORIGIN, HALF]),
    "MgB2": Structure(
        Lattice.hexagonal(3.086, 3.524), ["Mg", "B", "B"], [ORIGIN, [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
    ),
    "Nb": cubic("Im-3m", 3.30, ["Nb"], [ORIGIN]),
}


@pytest.fixture(scope="module")
def model():
    return Classifier.load()


@pytest.fixture(scope="module")
def descriptor():
    return Descriptor()


@pytest.fixture(scope="module")
def probability(model, descriptor):
    crystals = INSULATORS | MAGNETS | SUPERCONDUCTORS
    predictions = model.predict(list(crystals.values()), descriptor.describe(list(crystals.values())))
    return {name: one.probability for name, one in zip(crystals, predictions, strict=True)}


@pytest.mark.parametrize("name", [*INSULATORS, *MAGNETS])
def test_insulators_and_magnets_are_improbable(probability, name):
    assert probability[name] < GATE


@pytest.mark.parametrize("name", SUPERCONDUCTORS)
def test_superconductors_are_probable(probability, name):
    assert probability[name] > GATE


def test_a_supercell_and_a_rotation_change_nothing(model, descriptor):
    nitride = SUPERCONDUCTORS["NbN"]
    turned = Structure(
        Lattice.from_parameters(*nitride.lattice.parameters), nitride.atomic_numbers[::-1], nitride.frac_coords[::-1]
    )
    crystals = [nitride, turned, nitride.make_supercell([2, 1, 1], in_place=False)]
    first, *others = model.predict(crystals, descriptor.describe(crystals))
    for one in others:
        assert one.probability == pytest.approx(first.probability, abs=2e-3)


def test_order_and_batch_do_not_matter(model, descriptor):
    crystals = list((INSULATORS | SUPERCONDUCTORS).values())
    described = descriptor.describe(crystals)
    together = model.predict(crystals[::-1], described[::-1])[::-1]
    for crystal, description, one in zip(crystals, described, together, strict=True):
        (alone,) = model.predict([crystal], [description])
        assert (alone.probability, alone.std) == pytest.approx((one.probability, one.std), abs=1e-5)


def test_what_cannot_be_judged_has_a_reason_and_its_place(model, descriptor):
    crystals = [
        Structure(Lattice.cubic(3.3), [{"Nb": 0.5, "Ti": 0.5}], [ORIGIN]),
        SUPERCONDUCTORS["Nb"],
        Structure(Lattice.cubic(20), ["Nb"], [ORIGIN]),
        Structure(Lattice.cubic(3.3), ["Po"], [ORIGIN]),
    ]
    found = model.predict(crystals, descriptor.describe(crystals))
    reasons = ["disordered", None, "neighbour", "Po"]
    for one, reason in zip(found, reasons, strict=True):
        assert (one.probability is None) == (one.std is None) == (reason is not None)
        assert one.reason is None if reason is None else reason in one.reason
    assert model.predict([], []) == []


def test_the_card_says_what_was_learned_and_how_good_it_is(model):
    assert model.model_id == "classifier-1"
    assert len(model.digest) == 64


def test_a_missing_entry_of_the_card_is_a_model_error():
    with pytest.raises(ModelError, match="lacks"):
        Classifier({}, {"model_id": "x", "sha256": "y"})


def test_probabilities_spread_over_the_members(model, descriptor):
    crystals = list(SUPERCONDUCTORS.values())
    stds = np.array([one.std for one in model.predict(crystals, descriptor.describe(crystals))])
    assert (stds > 0).all()
    assert (stds < 0.5).all()
