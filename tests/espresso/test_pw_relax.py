"""Relaxation of aluminium by the real pw.x: half a minute."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from aluminium import PSEUDOPOTENTIALS, needs_pw
from pymatgen.core import Lattice, Structure
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from invdesflow.database import Database
from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.meshes import Meshes, primitive_for_espresso
from invdesflow.espresso.outputs import PwOutput
from invdesflow.espresso.pw_jobs import PwRelaxMaker, PwStaticMaker
from invdesflow.espresso.tasks import task_path
from invdesflow.settings import get_settings

pytestmark = [pytest.mark.slow, needs_pw]

A = 3.97


def aluminium(a: float) -> Structure:
    return primitive_for_espresso(Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), ["Al"], [[0, 0, 0]]))


def lattice_constant(structure: Structure) -> float:
    assert np.ptp(structure.lattice.abc) < 1e-6
    assert structure.lattice.angles == pytest.approx([60.0] * 3, abs=1e-5)
    return float(structure.lattice.a * np.sqrt(2.0))


@pytest.fixture(autouse=True)
def _workplace(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_DIR", str(tmp_path / "runs"))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def calculation(pressure_gpa: float = 0.0, **overrides: object) -> Calculation:
    settings = {
        "ecutwfc_ry": 12.0,
        "ecutrho_ry": 48.0,
        "k_spacing": 0.43,
        "q_spacing": 3.0,
        "pressure_tolerance_gpa": 0.1,
        **overrides,
    }
    return Calculation.of(
        "smoke", str(PSEUDOPOTENTIALS), files={"Al": "Al.pz-vbc.UPF"}, pressure_gpa=pressure_gpa, overrides=settings
    )


def relaxed(with_accuracy: Calculation, start: Structure) -> PwOutput:
    output = PwRelaxMaker.make.original(PwRelaxMaker(with_accuracy), start)
    assert isinstance(output, PwOutput)
    return output


def pressure_at(a: float) -> float:
    """Pressure with the plane waves of that very cell, from a run that relaxes nothing."""
    output = PwStaticMaker.make.original(PwStaticMaker(calculation()), aluminium(a))
    assert output.pressure_gpa is not None
    return float(output.pressure_gpa)


@pytest.mark.parametrize(("wanted", "start"), [(0.0, 0.96), (5.0, 1.02)])
def test_relaxation_repeats_until_the_fresh_basis_has_the_pressure(
    wanted: float, start: float, database: Database
) -> None:
    meshes = {Meshes.of(aluminium(factor * A), calculation().protocol).k_scf for factor in (0.95, 1.0, 1.02)}
    assert len(meshes) == 1, "the equation of state has to be smooth"
    output = relaxed(calculation(wanted), aluminium(start * A))
    assert output.pressure_gpa == pytest.approx(wanted, abs=0.1)
    documents = sorted(database.collection(EspressoTaskDocument).find(), key=lambda document: document.created_at)
    assert len(documents) > 1, "a single run was enough: start farther away"
    assert [document.step for document in documents] == [f"relax {n}" for n in range(1, len(documents) + 1)]
    assert all(later.parents == [earlier.task_id] for earlier, later in pairwise(documents))
    pressures = [document.results["pressure_gpa"] for document in documents]
    assert all(abs(pressure - wanted) > 0.1 for pressure in pressures[:-1])
    assert output.task_id == documents[-1].task_id
    for document in documents:
        assert not list(task_path(document.task_id).rglob("wfc*"))
    lengths = np.array([0.96, 0.98, 1.0, 1.02]) * A
    curve = CubicSpline(lengths, [pressure_at(a) for a in lengths])
    expected = brentq(lambda a: curve(a) - wanted, lengths[0], lengths[-1])
    slope = abs(float(curve(expected, 1)))
    assert lattice_constant(output.structure) == pytest.approx(expected, abs=0.1 / slope + 1e-3)


def test_relaxation_that_does_not_get_there_tells_the_pressure() -> None:
    with pytest.raises(EspressoError, match=r"After 1 relaxations the pressure is \S+ GPa instead of 0") as caught:
        relaxed(calculation(max_relaxations=1, pressure_tolerance_gpa=0.1), aluminium(0.96 * A))
    told = float(caught.value.problem.split(" GPa")[0].split()[-1])
    assert abs(told) > 0.1
