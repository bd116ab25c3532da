"""All models in one pass, against each of them alone."""

import shutil
from dataclasses import asdict

import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.screening.assessment import assess, model_references
from invdesflow.screening.description import Descriptor
from invdesflow.screening.kinds import KINDS, SHIPPED_FILES, load_model

NITRIDE = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.39), ["Nb", "N"], [[0, 0, 0], [0.5, 0.5, 0.5]])
BORIDE = Structure.from_spacegroup(
    "P6/mmm", Lattice.hexagonal(3.08, 3.52), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5]]
)
POLONIUM = Structure(Lattice.cubic(3.36), ["Po"], [[0, 0, 0]])


def test_an_assessment_is_what_each_model_says_alone():
    crystals = [NITRIDE, BORIDE, NITRIDE]
    found = list(assess(crystals, SHIPPED_FILES, 0.12))
    known = Descriptor().describe(crystals)
    arguments = {"cost": (crystals,), "tc": (crystals, known, 0.12)}
    for kind, field in zip(KINDS, ("superconductor", "formation_energy", "tc", "cost"), strict=True):
        alone = load_model(kind, SHIPPED_FILES[kind]).predict(*arguments.get(kind, (crystals, known)))
        for one, other in zip(found, alone, strict=True):
            for name, value in asdict(getattr(one, field)).items():
                if isinstance(value, float):
                    assert value == pytest.approx(getattr(other, name), rel=1e-4), name
                else:
                    assert value == asdict(other)[name]


def test_models_that_are_missing_and_crystals_that_they_cannot_read_have_reasons(tmp_path):
    files = SHIPPED_FILES | {"tc": "the model was lost", "cost": tmp_path / "absent.safetensors"}
    nitride, polonium = assess([NITRIDE, POLONIUM], files)
    assert nitride.tc.tc_k is None
    assert nitride.tc.reason == "the model was lost"
    assert "absent.safetensors cannot be read" in nitride.cost.reason
    assert nitride.superconductor.probability is not None
    assert "Po" in polonium.superconductor.reason
    assert "Po" in polonium.formation_energy.reason
    assert set(model_references(SHIPPED_FILES | {"tc": "the model was lost"})) == set(KINDS) - {"tc"}


def test_a_model_that_was_lost_and_comes_back_is_asked(tmp_path):
    """A process that lives on, such as a FireWorks worker, keeps models; not those that have changed on disk."""
    copied = tmp_path / "cost.safetensors"
    files = SHIPPED_FILES | {"cost": copied}
    [before] = assess([NITRIDE], files)
    assert "cannot be read" in before.cost.reason
    for suffix in (".json", ".safetensors"):
        shutil.copy(SHIPPED_FILES["cost"].with_suffix(suffix), copied.with_suffix(suffix))
    [after] = assess([NITRIDE], files)
    assert after.cost.core_hours > 0


@pytest.mark.slow
def test_processes_give_what_one_process_gives():
    """More crystals than are worth one process, in their order."""
    crystals = [NITRIDE.copy().scale_lattice(80 + k / 10) for k in range(270)]
    few = list(assess(crystals[:5] + crystals[-5:], SHIPPED_FILES))
    found = list(assess(crystals, SHIPPED_FILES, workers=2))
    assert len(found) == len(crystals)
    for one, other in zip(found[:5] + found[-5:], few, strict=True):
        assert one.tc.tc_k == pytest.approx(other.tc.tc_k, rel=1e-4)
        assert one.formation_energy.energy_ev_per_atom == pytest.approx(
            other.formation_energy.energy_ev_per_atom, abs=1e-4
        )


def test_nothing_is_asked_about_nothing():
    assert list(assess([], SHIPPED_FILES)) == []
