"""Studies of two hosts whose every number is known, and calculations from first principles of one pair."""

import numpy as np
import synthetic_coupling as coupling
from pymatgen.core import Lattice, Structure

from invdesflow.intercalation.coupling import compare_coupling
from invdesflow.intercalation.documents import (
    BondChange,
    Compared,
    CouplingChange,
    CrystalSources,
    EnergyChange,
    IntercalationStudyDocument,
    Pair,
    PairComparison,
    PhononChange,
    PredictionChange,
    StabilityChange,
    StructureChange,
)
from invdesflow.intercalation.mode_matching import FollowedMode
from invdesflow.intercalation.ranking import ranked
from invdesflow.relaxation.documents import PotentialReference
from invdesflow.relaxation.relaxation import RelaxationSettings

X = {"K2CuH6": 0.2122, "K2GaCuH6": 0.2466}
TOPS_MEV = {"K": (8, 18), "Cu": (20, 28), "Ga": (14, 20), "H": (60, 150)}
NOT_ASKED = "Neither of the two crystals has an electron-phonon calculation."
IMAGINARY = "K2<b>InCuH6: not relaxed: a force of 3 eV/A"  # what documents say is never markup


def crystal(formula):
    species = [("K", [0.25] * 3), ("Cu", [0] * 3), ("Ga", [0.5] * 3), ("H", [X[formula], 0, 0])]
    kept = [(symbol, site) for symbol, site in species if symbol != "Ga" or "Ga" in formula]
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(7.35), [symbol for symbol, _ in kept], [site for _, site in kept]
    ).get_primitive_structure()


def calculated(formula, lambda_, tc_k):
    """A calculation whose phonons are waves between the limits of each element, softer among guests."""
    structure = crystal(formula)
    points, distances, _ = coupling.path()
    shape = np.sqrt((np.sin(np.pi * points) ** 2).sum(axis=1) / 3)
    factor = 0.8 if "Ga" in formula else 1.0
    grid = np.linspace(0.0, 170.0, 1701)
    branches, by_atom = [], []
    hydrogen = 0
    for number, site in enumerate(structure):
        low, high = TOPS_MEV[site.specie.symbol]
        if site.specie.symbol == "H":
            low, high = factor * (low + 14 * hydrogen), factor * (low + 14 * hydrogen + 12)
            hydrogen += 1
        branches += [high * shape if number == 0 else low + (high - low) * shape] * 3
        by_atom.append(3 * np.exp(-(((grid - 0.5 * (low + high)) / 4) ** 2)) / (4 * np.sqrt(np.pi)))
    order = np.argsort(np.array(branches)[:, -1])
    frequencies = np.sort(np.array(branches)[order].T, axis=1)
    energies = np.linspace(0.2, 170.0, 850)
    lumps = [(16.0, 5.0, 0.3), (75.0 * factor, 10.0, 0.5), (115.0 * factor, 10.0, 0.2)]
    values = sum(
        lambda_ * share * energies / 2 * np.exp(-(((energies - at) / width) ** 2)) / (width * np.sqrt(np.pi))
        for at, width, share in lumps
    )
    arrays = coupling.arrays(anisotropic=False) | {
        "phonon_q_points": points,
        "phonon_distances": distances,
        "phonon_frequencies_cm1": frequencies / coupling.MEV_PER_CM1,
        "path_lambda": 0.1 * lambda_ * np.where(frequencies > 1.0, 1.0, 0.0) * (1 + np.cos(6 * points[:, :1])),
        "phonon_dos_cm1": grid / coupling.MEV_PER_CM1,
        "phonon_dos": np.sum(by_atom, axis=0) * coupling.MEV_PER_CM1,
        "phonon_dos_by_atom": np.array(by_atom) * coupling.MEV_PER_CM1,
        "alpha2f_mev": energies,
        "alpha2f": values,
    }
    changed = [
        one.model_copy(update={"tc_k": one.tc_k * tc_k / coupling.TC}) for one in coupling.critical_temperatures()
    ]
    elements = {site.specie.symbol for site in structure}
    pseudopotential = next(iter(coupling.document().pseudopotentials.values()))
    document = coupling.document(
        elph_id=f"elph-{formula}",
        reduced_formula=formula,
        structure=structure,
        relaxed_structure=structure,
        pressure_gpa=0.0,
        pseudopotentials=dict.fromkeys(sorted(elements), pseudopotential),
        critical_temperatures=changed,
        lambda_=lambda_,
    )
    return document, arrays


def calculations():
    found = [calculated("K2CuH6", 0.6, 16.0), calculated("K2GaCuH6", 1.9, 68.0)]
    return {document.elph_id: (document, arrays) for document, arrays in found}


def potential_bands():
    """Phonons with the potential of three crystals, without any coupling."""
    found = {}
    for formula in ("K2CuH6", "K2GaCuH6"):
        document, arrays = calculated(formula, 0.6, 16.0)
        phonons = {name: array for name, array in arrays.items() if name.startswith(("phonon_", "path_label"))}
        found[f"ph-{formula}"] = (document.structure, phonons)
    return found | {"ph-K2LiCuH6": found["ph-K2GaCuH6"]}


def mode(label, degeneracy, host, guest, weight=1.0, overlap=1.0):
    return FollowedMode(
        label=label,
        degeneracy=degeneracy,
        network_weight=weight,
        host_thz=host,
        guest_thz=guest,
        guest_labels=[label],
        overlap=overlap,
        softening_percent=100 * (1 - guest / host) if guest > 0 else None,
    )


def phonons(soft):
    modes = [
        mode("T2g", 3, 3.3, 3.6, weight=0.0),
        mode("T1u", 3, 3.7, 3.4, weight=0.03, overlap=0.55),
        mode("T1g", 3, 11.8, 13.4),
        mode("T2u", 3, 18.9, 12.4),
        mode("T1u", 3, 23.9, 15.3, overlap=0.6),
        mode("Eg", 2, 24.6, 24.6 * soft),
        mode("T2g", 3, 25.6, 22.3),
        mode("A1g", 1, 45.0, 34.3),
    ]
    return PhononChange(
        host_status="stable",
        guest_status="stable" if soft > 0 else "unstable",
        network_element="H",
        mean_thz=Compared.of(24.0, 20.0),
        softest_thz=Compared.of(11.8, min(12.4, 24.6 * soft)),
        breathing=modes[5],
        breathing_reason="",
        modes=modes,
    )


def pair(host, element, formula, tc_k, *, soft=0.8, known=True, coupled=None):
    """One pair: `tc_k` of host and guest, predicted; `known` is false where nothing could be compared."""
    name = f"cand-{formula}"
    lost = None if known else IMAGINARY
    from_first = coupled or CouplingChange.missing(NOT_ASKED)
    elph = (f"elph-{host}", f"elph-{formula}") if coupled else (None, None)
    return PairComparison(
        pair=Pair(host_id=f"cand-{host}", guest_id=name, guests={element: 1}, sites=["4b"], filling=1.0),
        formula=formula,
        space_group_number=225,
        host_cells=1,
        host=CrystalSources(candidate_id=f"cand-{host}", phonon_id=f"ph-{host}", elph_id=elph[0]),
        guest=CrystalSources(candidate_id=name, phonon_id=f"ph-{formula}", elph_id=elph[1]),
        structure=StructureChange.missing(lost)
        if lost
        else StructureChange(
            volume_a3=Compared.of(99.0, 103.5),
            lattice_constant_a=Compared.of(7.344, 7.452),
            bonds=[
                BondChange(
                    elements=("Cu", "H"), host_a=1.558, guest_a=1.838, guest_shortest_a=1.838, guest_longest_a=1.838
                )
            ],
            bonds_reason="",
        ),
        energy=EnergyChange.missing(lost)
        if lost
        else EnergyChange(
            formation_ev_per_atom=Compared.of(-0.2, -0.31), intercalation_ev=-1.3, intercalation_reason=""
        ),
        stability=StabilityChange.missing(lost)
        if lost
        else StabilityChange(above_hull_ev_per_atom=Compared.of(0.02, 0.135), missing_systems=["Cu-H"]),
        prediction=PredictionChange.missing(lost)
        if lost
        else PredictionChange(
            tc_k=Compared.of(*tc_k),
            tc_std_k=Compared.of(5.0, 9.0),
            lambda_=Compared.of(0.7, 1.4),
            omega_log_mev=Compared.of(40.0, 36.0),
        ),
        phonons=PhononChange.missing(lost, "H", "stable", "failed") if lost else phonons(soft),
        coupling=from_first,
        coupling_phonons=PhononChange.missing("The run folder is not on this machine.", "H")
        if coupled
        else PhononChange.missing(NOT_ASKED, "H"),
    )


def study(host, pairs, **changes):
    return IntercalationStudyDocument(
        **{
            "study_id": f"study-{host}",
            "host_id": f"cand-{host}",
            "host_formula": host,
            "host_space_group_number": 225,
            "potential": PotentialReference(kind="CHGNet", model="0.3.0", digest="d" * 64),
            "relaxation_settings": RelaxationSettings(),
            "pressure_gpa": 0.0,
            "network_element": "H",
            "pairs": ranked(pairs),
            "warnings": ["CHGNet 0.3.0 relaxes such crystals to lattice constants that are 2.3 % off."],
        }
        | changes
    )


def studies():
    (host, its), (guest, others) = calculations().values()
    coupled = compare_coupling(host, guest, (its, others), ["Ga"])
    return [
        study(
            "K2CuH6",
            [
                pair("K2CuH6", "Ga", "K2GaCuH6", (20.0, 50.0), soft=-0.4, coupled=coupled),
                pair("K2CuH6", "Li", "K2LiCuH6", (20.0, 44.0)),
                pair("K2CuH6", "In", "K2InCuH6", (0.0, 0.0), known=False),
            ],
        ),
        study(
            "Na2AgH6",
            [
                pair("Na2AgH6", "Li", "Na2LiAgH6", (70.0, 61.0), soft=1.1),
                pair("Na2AgH6", "Al", "Na2AlAgH6", (70.0, 75.0)),
            ],
        ),
    ]
