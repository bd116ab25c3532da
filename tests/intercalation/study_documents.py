"""Documents of hosts and guests with numbers that can be added up by hand."""

import numpy as np
from harmonic_hydride import guest, host

from invdesflow.epw.documents import CriticalTemperature, ElectronPhononDocument
from invdesflow.espresso.documents import PseudopotentialReference
from invdesflow.relaxation.documents import RelaxationDocument, Subject
from invdesflow.relaxation.potentials import Potential
from invdesflow.relaxation.relaxation import RelaxationResult, RelaxationSettings
from invdesflow.screening.documents import ModelReference, ScreeningDocument
from invdesflow.screening.gates import Thresholds, tc_gate

HOST, GUEST = "cand-00000000000000aa", "cand-00000000000000bb"
POTENTIAL = Potential(kind="CHGNet", model="0.3.0", digest="d" * 64, elements=("H", "K", "Cu", "Ga"))
CELLS = {HOST: host(), GUEST: guest(a=7.5)}
MEV_PER_CM1 = 0.1239841984
GRID = np.linspace(0.2, 160.0, 800)


def relaxation(
    structure, energy_ev, name=HOST, *, kind="candidate", reason="", potential=POTENTIAL, settings=None
) -> RelaxationDocument:
    settings = settings or RelaxationSettings()
    result = RelaxationResult(
        structure=structure,
        converged=not reason,
        reason=reason,
        energy_ev=energy_ev,
        enthalpy_ev=energy_ev,
        max_force=0.001,
        stress_gpa=np.zeros((3, 3)).tolist(),
        n_steps=3,
        n_force_evaluations=4,
        volume_change=0.0,
        spacegroup_before=225,
        spacegroup_after=225,
        wall_time_s=1.0,
    )
    return RelaxationDocument.from_result(structure, result, Subject(kind=kind, id=name), potential, settings)


def screening(candidate_id, relaxation_id, tc_k, *, digest="m" * 64, mu_star=0.1) -> ScreeningDocument:
    return ScreeningDocument(
        screening_id=f"scr-{candidate_id}-{digest[:2]}",
        candidate_id=candidate_id,
        relaxation_id=relaxation_id,
        reduced_formula="K2CuH6",
        models={"tc": ModelReference(model_id="tc-1", digest=digest)},
        thresholds=Thresholds(),
        gates=[tc_gate(tc_k, 5.0)],
        passed=True,
        mu_star=mu_star,
        tc_k=tc_k,
        tc_std_k=3.0,
    )


def calculation(name, lambda_, tc_k, /, **changes) -> tuple[ElectronPhononDocument, dict]:
    """An electron-phonon calculation: a low lump of all that is heavy, a high one of H, lambda in halves."""
    structure = CELLS[name]
    low, high = (np.exp(-(((GRID - at) / 4) ** 2)) for at in (20.0, 100.0))
    values = sum(0.5 * lambda_ * GRID / 2 * lump / (4 * np.sqrt(np.pi)) for lump in (low, high))
    by_atom = np.array([high if site.specie.symbol == "H" else low for site in structure])
    arrays = {
        "alpha2f_mev": GRID,
        "alpha2f": values,
        "phonon_dos_cm1": GRID / MEV_PER_CM1,
        "phonon_dos": by_atom.sum(axis=0),
        "phonon_dos_by_atom": by_atom,
        "bands_ev": np.array([[-3.0, -1.0, 0.5, 2.0], [-2.0, 1.0, -0.5, 3.0]]),
    }
    symbols = {site.specie.symbol for site in structure}
    fields = {
        "elph_id": f"elph-{name[-4:]}",
        "candidate_id": name,
        "reduced_formula": structure.composition.reduced_formula,
        "space_group_number": 225,
        "structure": structure,
        "relaxed_structure": structure,
        "pressure_gpa": 0.0,
        "protocol": "fast",
        "settings": {"ecutwfc_ry": 60.0, "mu_stars": [0.1, 0.13]},
        "pseudopotentials": {
            symbol: PseudopotentialReference(file=f"{symbol}.upf", sha256=symbol * 32, functional="PBE")
            for symbol in symbols
        },
        "status": "completed",
        "reason": "",
        "dos_per_ev": 2.0 if name == HOST else 3.0,
        "lambda_": lambda_,
        "omega_log_mev": 40.0,
        "critical_temperatures": [
            CriticalTemperature(method="migdal_eliashberg", mu_star=mu, tc_k=tc_k - 30 * (mu - 0.1))
            for mu in (0.13, 0.1)
        ],
        "arrays": "0" * 64,
    }
    return ElectronPhononDocument(**(fields | changes)), arrays


UNFINISHED = {"lambda_": None, "omega_log_mev": None, "critical_temperatures": [], "arrays": None}
