"""What the stress lacks at a low cutoff: shares of elements by hand, and silicon against the energy of pw.x itself."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from scipy.integrate import simpson

from invdesflow.errors import LearningError
from invdesflow.espresso.calculation import Calculation
from invdesflow.learning.potential.frames import Frame
from invdesflow.learning.potential.labelling import label_with_espresso
from invdesflow.learning.potential.plane_waves import complete_virials, missing_virials

SHARES = {"Cu": 0.45, "H": 0.01, "Li": -0.02}
needs_pw = pytest.mark.skipif(shutil.which("pw.x") is None, reason="pw.x is not installed")


def frame(*symbols: str, virial: float = 0.0, theory: str = "pw.x ecutwfc 80, degauss 1") -> Frame:
    n = len(symbols)
    return Frame(
        symbols=symbols,
        cell=4 * np.eye(3),
        positions=np.arange(3 * n, dtype=float).reshape(n, 3) / 7,
        energy_ev=-1.0,
        forces=np.zeros((n, 3)),
        virial_ev=virial * np.eye(3),
        theory=theory,
    )


def both(*symbols: str) -> tuple[Frame, Frame]:
    """Return labels at a low and at a high cutoff that differ by the shares of the atoms."""
    return frame(*symbols, virial=0.3), frame(
        *symbols, virial=0.3 + sum(SHARES[one] for one in symbols), theory="pw.x ecutwfc 100, degauss 1"
    )


def test_shares_of_the_elements_are_told_apart_and_added_up():
    low, high = zip(both("Cu"), both("Li"), both("Li", "H"), strict=True)
    missing = missing_virials([*low, frame("Au")], high)
    assert missing == pytest.approx(SHARES)
    known = frame("Li", "Li", "Cu", *6 * ["H"], virial=1.0)
    [completed] = complete_virials([known], missing, high[0].theory)
    assert completed.virial_ev == pytest.approx((1 + 2 * SHARES["Li"] + SHARES["Cu"] + 6 * SHARES["H"]) * np.eye(3))
    assert completed.theory == "pw.x ecutwfc 80, degauss 1, stress as of pw.x ecutwfc 100"
    assert completed.identifier == known.identifier
    assert known.virial_ev[0, 0] == 1.0


def test_what_the_pairs_do_not_tell_is_refused():
    low, high = both("Li", "H")
    with pytest.raises(LearningError, match="do not tell H, Li apart"):
        missing_virials([low], [high])
    with pytest.raises(LearningError, match="No crystal has labels at both"):
        missing_virials([low], [replace(high, positions=high.positions + 0.1)])
    with pytest.raises(LearningError, match="stress of Au lacks"):
        complete_virials([frame("Au")], {"Cu": 0.1}, "pw.x")


@needs_pw
def test_a_completed_stress_is_the_derivative_of_the_energy_at_its_cutoff(database):
    def silicon(a: float) -> Structure:
        return Structure(Lattice(a / 2 * (np.ones((3, 3)) - np.eye(3))), ["Si", "Si"], [[0, 0, 0], [0.25] * 3])

    def work(frames: list[Frame]) -> float:
        pressure_volumes = [np.trace(frame.virial_ev) / 3 for frame in frames]
        return float(simpson(pressure_volumes, x=np.log([frame.volume for frame in frames])))

    def labels(cutoff: float, *lattice_constants: float) -> list[Frame]:
        settings = {"ecutwfc_ry": cutoff, "ecutrho_ry": 4 * cutoff, "k_spacing": 0.6, "conv_thr": 1e-9}
        calculation = Calculation.of(
            "smoke", "/usr/share/espresso/pseudo", files={"Si": "Si.pz-vbc.UPF"}, overrides=settings
        )
        return list(label_with_espresso([silicon(a) for a in lattice_constants], calculation))

    lattice_constants = [5.2, 5.3, 5.4, 5.5, 5.6]
    frames = labels(16, *lattice_constants)
    missing = missing_virials(frames, labels(40, 5.3, 5.5))
    completed = complete_virials(frames, missing, "pw.x")
    # Integrals: a single stress, and a single energy, jump where a plane wave enters the basis.
    gained = frames[0].energy_ev - frames[-1].energy_ev
    assert work(completed) == pytest.approx(gained, abs=0.04)
    assert abs(work(frames) - gained) > 0.1  # or the comparison says nothing
