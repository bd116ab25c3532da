"""An electron-phonon calculation whose physics is known: free electrons, Debye phonons, alpha2F of a given lambda."""

from itertools import product

import numpy as np
from pymatgen.core import Lattice, Structure

from invdesflow.epw.documents import (
    CriticalTemperature,
    ElectronPhononDocument,
    ElectronStructure,
    PhononSummary,
)
from invdesflow.epw.outputs import GapOutput, MeshStep, WannierTrial
from invdesflow.espresso.costs import StepCost
from invdesflow.espresso.documents import PseudopotentialReference
from invdesflow.espresso.outputs import ImaginaryMode

A = 3.85
STRUCTURE = Structure.from_spacegroup(
    "Pm-3m", Lattice.cubic(A), ["Mg", "C", "Ni"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]
)
FERMI_EV = 9.0
LAMBDA = 0.8
DEBYE_MEV = {"Mg": 30.0, "C": 80.0, "Ni": 40.0}
CUT_MEV = 50.0
MEV_PER_CM1 = 0.1239841984
EV_PER_SQUARE_WAVE_NUMBER = 3.8099821  # hbar^2 / 2m in eV Angstrom^2
TEMPERATURES = (2.0, 4.0, 6.0, 8.0)
TC = 7.5
CORNERS = [
    ("GAMMA", [0, 0, 0]),
    ("X", [0, 0.5, 0]),
    ("M", [0.5, 0.5, 0]),
    ("R", [0.5, 0.5, 0.5]),
    ("SIGMA_0", [0.3, 0, 0]),
]
LINES = [(0, 1), (1, 2), (3, 0), (0, 4)]  # M is not joined to R


def path(points_per_line=21):
    """Points, distances in 1/Angstrom, and labels by index; lines that meet share their point."""
    points, distances, labels = [], [], {}
    for start, end in LINES:
        corners = np.array([CORNERS[start][1], CORNERS[end][1]], dtype=float)
        line = corners[0] + np.linspace(0, 1, points_per_line)[:, None] * (corners[1] - corners[0])
        steps = np.linalg.norm(np.diff(line, axis=0), axis=1) * 2 * np.pi / A
        if points and np.allclose(points[-1], line[0]):
            points.pop()
            last = distances.pop()
        else:
            last = distances[-1] if distances else 0.0
        labels[len(points)] = CORNERS[start][0]
        points += list(line)
        distances += list(last + np.concatenate([[0.0], np.cumsum(steps)]))
        labels[len(points) - 1] = CORNERS[end][0]
    return np.array(points), np.array(distances), labels


def free_electrons(points, count):
    shifts = np.array(list(product((-1, 0, 1), repeat=3)))
    waves = (points[:, None, :] + shifts) * 2 * np.pi / A
    return np.sort(EV_PER_SQUARE_WAVE_NUMBER * (waves**2).sum(axis=2), axis=1)[:, :count]


def phonons(points):
    """Three branches for each atom: those of the first atom are acoustic, the others lie above them."""
    shape = np.sqrt((np.sin(np.pi * points) ** 2).sum(axis=1) / 3)
    tops = [DEBYE_MEV[site.specie.symbol] for site in STRUCTURE]
    branches = [tops[0] * shape] + [top * (0.8 + 0.2 * shape) for top in tops[1:]]
    return np.sort(np.repeat(branches, 3, axis=0).T, axis=1)


def debye_dos(grid_mev, top_mev):
    """States per meV of the three modes of an atom."""
    return np.where(grid_mev <= top_mev, 9.0 * grid_mev**2 / top_mev**3, 0.0)


def arrays(*, with_lambda=True, anisotropic=True):
    points, distances, labels = path()
    frequencies = phonons(points)
    grid_mev = np.linspace(0.0, 90.0, 901)
    by_atom = np.array([debye_dos(grid_mev, DEBYE_MEV[site.specie.symbol]) for site in STRUCTURE])
    energies_mev = np.linspace(0.1, 1.2 * CUT_MEV, 600)
    energies_ev = np.linspace(-12.0, 12.0, 601)
    k_fermi = np.sqrt((energies_ev + FERMI_EV).clip(0) / EV_PER_SQUARE_WAVE_NUMBER)
    found = {
        "phonon_q_points": points,
        "phonon_distances": distances,
        "phonon_frequencies_cm1": frequencies / MEV_PER_CM1,
        "phonon_dos_cm1": grid_mev / MEV_PER_CM1,
        "phonon_dos": by_atom.sum(axis=0) * MEV_PER_CM1,
        "phonon_dos_by_atom": by_atom * MEV_PER_CM1,
        "path_labels": np.array(list(labels.values())),
        "path_label_indices": np.array(list(labels)),
        "alpha2f_mev": energies_mev,
        "alpha2f": np.where(energies_mev <= CUT_MEV, LAMBDA * (energies_mev / CUT_MEV) ** 2, 0.0),
        "electron_k_points": points,
        "electron_distances": distances,
        "bands_ev": free_electrons(points, 9) - FERMI_EV,
        "wannier_bands_ev": free_electrons(points, 6) - FERMI_EV + 0.01,
        "dos_ev": energies_ev,
        "dos": A**3 * k_fermi / (2 * np.pi**2 * EV_PER_SQUARE_WAVE_NUMBER),
    }
    if with_lambda:
        found["path_lambda"] = (
            LAMBDA * np.where(frequencies > 1.0, 1.0, 0.0) * (1 + np.cos(2 * np.pi * points[:, :1])) / 2
        )
    return found | (gap_arrays() if anisotropic else {})


def gap_at(temperature, zero):
    return zero * np.sqrt(max(0.0, np.cos(np.pi / 2 * (temperature / TC) ** 2)))


def gap_arrays():
    """Two gaps that close at `TC`."""
    found = {}
    for temperature in TEMPERATURES:
        if temperature < TC:
            gap = np.linspace(0.0, 3.0, 601)
            small, large = gap_at(temperature, 0.7), gap_at(temperature, 1.8)
            density = np.exp(-(((gap - small) / 0.08) ** 2)) + 0.5 * np.exp(-(((gap - large) / 0.12) ** 2))
            found |= {f"gap_{temperature:.6g}": gap, f"gap_density_{temperature:.6g}": density / density.max()}
    return found


def gaps():
    return [
        GapOutput(
            task_id=f"qe-{number}",
            temperature_k=temperature,
            converged=temperature < TC,
            vanished=temperature >= TC,
            gap_min_mev=gap_at(temperature, 0.6) if temperature < TC else None,
            gap_max_mev=gap_at(temperature, 2.1) if temperature < TC else None,
            gap_mean_mev=gap_at(temperature, 1.1) if temperature < TC else None,
            reason="" if temperature < TC else "the gap went to zero",
        )
        for number, temperature in enumerate(TEMPERATURES)
    ]


def critical_temperatures():
    tops = {"mcmillan": 9.0, "allen_dynes": 9.4, "migdal_eliashberg": 9.8, "migdal_eliashberg_epw": 11.0}
    found = [
        CriticalTemperature(method=method, mu_star=mu_star, tc_k=top * (1 - 3 * mu_star))
        for method, top in tops.items()
        for mu_star in (0.16, 0.1, 0.13)
    ]
    return [*found, CriticalTemperature(method="anisotropic_epw", mu_star=0.1, tc_k=TC)]


def document(**changes):
    """Return a completed calculation, with some of its fields changed."""
    meshes = [(12, 6, 0.9, 8.4), (18, 9, 0.83, 7.2), (24, 12, LAMBDA, 6.9)]
    fields = {
        "elph_id": "elph-0123456789abcdef",
        "candidate_id": "cand-0123456789abcdef",
        "reduced_formula": "MgNi3C",
        "space_group_number": 221,
        "structure": STRUCTURE,
        "relaxed_structure": STRUCTURE,
        "pressure_gpa": 5.0,
        "protocol": "fast",
        "settings": {"ecutwfc_ry": 60.0, "anisotropic": True, "mu_stars": [0.1, 0.13, 0.16]},
        "pseudopotentials": {
            symbol: PseudopotentialReference(file=f"{symbol}.upf", sha256="0" * 64, functional="PBE")
            for symbol in ("C", "Mg", "Ni")
        },
        "status": "completed",
        "reason": "",
        "electrons": ElectronStructure(
            k_mesh=(8, 8, 8), energy_ev=-5000.0, fermi_energy_ev=FERMI_EV, gap_ev=0.0, pressure_gpa=5.2
        ),
        "phonons": PhononSummary(
            q_mesh=(4, 4, 4),
            irreducible_q_points=10,
            min_frequency_cm1=0.0,
            max_frequency_cm1=645.0,
            imaginary_modes=[],
        ),
        "wannier": [
            WannierTrial(
                choice="atomic orbitals",
                task_id=None,
                rms_mev=None,
                max_mev=None,
                spreads_a2=None,
                problem="the window is too narrow",
            ),
            WannierTrial(
                choice="scdm", task_id="qe-w", rms_mev=8.5, max_mev=21.0, spreads_a2=[1.1, 1.4, 2.5], problem=""
            ),
        ],
        "mesh_convergence": [
            MeshStep(
                task_id=f"qe-m{k}",
                k_mesh=(k, k, k),
                q_mesh=(q, q, q),
                lambda_=value,
                omega_log_mev=30.0,
                dos_per_ev=4.2,
                tc_k=tc,
            )
            for k, q, value, tc in meshes
        ],
        "dos_per_ev": 4.2,
        "lambda_": LAMBDA,
        "omega_log_mev": 30.3,
        "omega_2_mev": 35.4,
        "critical_temperatures": critical_temperatures(),
        "gaps": gaps(),
        "arrays": "0" * 64,
        "cost": [
            StepCost(step="scf", task_id="qe-1", program="pw.x", wall_time_s=12.5, core_hours=0.0035, corrections=0),
            StepCost(
                step="EPW on 12x12x12",
                task_id="qe-2",
                program="epw.x",
                wall_time_s=400.0,
                core_hours=0.111,
                corrections=2,
            ),
        ],
        "core_hours": 0.1145,
    }
    return ElectronPhononDocument(**(fields | changes))


def unstable():
    """Return a calculation that ended at its phonons, with its arrays."""
    nothing = {"wannier": None, "mesh_convergence": None, "dos_per_ev": None, "lambda_": None, "omega_log_mev": None}
    nothing |= {"omega_2_mev": None, "critical_temperatures": [], "gaps": []}
    mode = ImaginaryMode(q_point=[0.5, 0.5, 0.0], frequency_cm1=-120.0)
    found = arrays(with_lambda=False, anisotropic=False)
    kept = {name: value for name, value in found.items() if name.startswith(("phonon_", "path_"))}
    points = kept["phonon_q_points"]
    soft = -120.0 * np.sin(np.pi * points[:, 0]) ** 2 * np.sin(np.pi * points[:, 1]) ** 2
    frequencies = kept["phonon_frequencies_cm1"].copy()
    frequencies[:, 0] = np.where(soft < -10.0, soft, frequencies[:, 0])
    return document(
        status="dynamically_unstable",
        reason="1 mode is imaginary beyond 30 cm-1.",
        phonons=PhononSummary(
            q_mesh=(4, 4, 4),
            irreducible_q_points=10,
            min_frequency_cm1=-120.0,
            max_frequency_cm1=645.0,
            imaginary_modes=[mode],
        ),
        **nothing,
    ), kept | {"phonon_frequencies_cm1": frequencies}
