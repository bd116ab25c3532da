"""A made-up campaign with the shape of a real one: decorated prototypes, gates that reject, numbers missing."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

from pymatgen.core import Composition, Lattice, Structure

from invdesflow.database.campaign import CampaignDocument, RoundRecord
from invdesflow.database.documents import Provenance
from invdesflow.database.stages import StageRecord
from invdesflow.database.summary import SummaryDocument

TRANSITION = ["Sc", "Ti", "V", "Cr", "Y", "Zr", "Nb", "Mo", "La", "Hf", "Ta", "W", "Re"]
LIGHT = ["B", "C", "N", "Al", "Si", "Ga", "Ge", "P"]
ALKALINE = ["Li", "Na", "K", "Mg", "Ca", "Sr", "Rb"]
LATE = ["Ni", "Cu", "Pd", "Ag", "Pt", "Au", "Al", "Ga", "In"]
NAMES = {225: "Fm-3m", 223: "Pm-3n", 191: "P6/mmm", 221: "Pm-3m", 194: "P6_3/mmc"}


# Space group, crystal, and what may stand in the place of each of its elements.
PROTOTYPES = [
    (
        225,
        Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.4), ["Nb", "N"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        {"Nb": TRANSITION, "N": LIGHT},
    ),
    (
        223,
        Structure.from_spacegroup("Pm-3n", Lattice.cubic(5.2), ["Nb", "Ge"], [[0.25, 0, 0.5], [0, 0, 0]]),
        {"Nb": TRANSITION, "Ge": LIGHT},
    ),
    (
        191,
        Structure.from_spacegroup(
            "P6/mmm", Lattice.hexagonal(3.08, 3.52), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5]]
        ),
        {"Mg": TRANSITION + ALKALINE, "B": ["B", "C"]},
    ),
    (
        221,
        Structure.from_spacegroup(
            "Pm-3m", Lattice.cubic(3.85), ["Mg", "C", "Ni"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]
        ),
        {"Mg": ALKALINE, "C": ["B", "C", "N"], "Ni": TRANSITION + LATE[:5]},
    ),
    (
        225,
        Structure.from_spacegroup(
            "Fm-3m",
            Lattice.cubic(7.64),
            ["K", "Mg", "Cu", "H"],
            [[0.25, 0.25, 0.25], [0.5, 0.5, 0.5], [0, 0, 0], [0.22, 0, 0]],
        ),
        {"K": ["K", "Rb", "Na"], "Mg": ["Li", "Mg", "Ca", "Sr"], "Cu": LATE, "H": ["H"]},
    ),
]


def summary(index, space_group, structure, **changes):
    composition = Composition(structure.composition.reduced_formula)
    elements = sorted(element.symbol for element in composition)
    fields = {
        "candidate_id": f"cand-{index:016x}",
        "reduced_formula": composition.reduced_formula,
        "anonymous_formula": composition.anonymized_formula,
        "chemical_system": "-".join(elements),
        "elements": elements,
        "nelements": len(elements),
        "nsites": len(structure) // (4 if space_group == 225 else 1),
        "space_group_number": space_group,
        "space_group_symbol": NAMES[space_group],
        "volume_per_atom": structure.volume / len(structure),
        "stage": "generated",
        "rejected": False,
        "origins": ["substitution"],
        "campaigns": ["cmp-0123456789abcdef"],
        "sources_digest": "none",
    }
    return SummaryDocument(**(fields | changes))


def _reject(gate, reason, **fields):
    return {"rejected": True, "rejection_gate": gate, "rejection_reason": reason, **fields}


def _fate(rng):
    """Let chance decide how far a candidate comes."""
    chance = rng.random()
    if chance < 0.09:
        return _reject("duplicate", "the same crystal as an earlier candidate")
    if chance < 0.16:
        return _reject("novelty", "known superconductor")
    if chance < 0.19:
        return _reject("distances", "shortest distance is 0.58 of the covalent radii")
    relaxed = {"stage": "relaxed", "potential": "CHGNet 0.3.0", "pressure_gpa": 0.0}
    if chance < 0.24:
        return _reject("not_converged", "500 steps without convergence", relaxation_converged=False, **relaxed)
    hull = max(0.0, rng.gauss(0.11, 0.12))
    tc = rng.gammavariate(1.5, 5.5)
    screened = relaxed | {
        "stage": "screened",
        "relaxation_converged": True,
        "energy_ev_per_atom": rng.gauss(-6, 1),
        "formation_energy_ev_per_atom": hull - rng.uniform(0.1, 0.6),
        "e_above_hull_ev_per_atom": hull,
        "hull_complete": rng.random() < 0.7,
        "new_composition": rng.random() < 0.8,
        "new_structure": True,
    }
    if chance < 0.27:
        return _reject("tc", "the Tc model does not know an element", **screened)
    screened |= {"tc_k": tc, "tc_std_k": 0.8 + 0.2 * tc, "tc_model": "tc-trees-1", "in_domain": rng.random() < 0.8}
    if hull > 0.2:
        return _reject("e_above_hull", f"e_above_hull of {hull:.3f} eV/atom is above 0.2", **screened)
    if tc < 5:
        return _reject("tc", f"Tc of {tc:.2f} K is below 5 K", **screened)
    return screened


def summaries_and_structures(count=130, seed=7):
    rng = random.Random(seed)
    summaries, structures = [], {}
    for index in range(count):
        space_group, prototype, choices = rng.choice(PROTOTYPES)
        structure = prototype.copy()
        structure.replace_species({element: rng.choice(others) for element, others in choices.items()})
        origins = {"origins": ["diffusion"] if rng.random() < 0.4 else ["substitution"]}
        document = summary(index, space_group, structure, **(origins | _fate(rng)))
        summaries.append(document)
        structures[document.candidate_id] = structure
    return summaries, structures


def campaign(summaries, name="discovery"):
    """Count the stages from the candidates, so that funnel and summaries tell the same story."""

    def stage(label, members, losers, seconds, **more):
        rejected = Counter(s.rejection_gate for s in losers)
        passed = len(members) - len(losers)
        return StageRecord(stage=label, entered=len(members), passed=passed, rejected=rejected, seconds=seconds, **more)

    def at(reached):
        return [s for s in summaries if s.stage == reached and s.rejected]

    def source(label, kind, seconds):
        members = [s for s in summaries if s.origins == [kind]]
        return stage(label, members, [s for s in members if s in at("generated")], seconds)

    to_relax = [s for s in summaries if s not in at("generated")]
    to_screen = [s for s in to_relax if s not in at("relaxed")]
    begun = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
    number = RoundRecord(
        number=0,
        status="completed",
        maker={
            "number": len(summaries),
            "seed": 7,
            "relax": {"potential": "CHGNet", "fmax_ev_per_a": 0.02, "pressure_gpa": 0.0, "steps": 500},
            "screen": {
                "mu_star": 0.1,
                "thresholds": {"formation_energy_ev_per_atom": 0.0, "e_above_hull_ev_per_atom": 0.2, "tc_k": 5.0},
            },
        },
        started_at=begun,
        finished_at=begun + timedelta(seconds=412),
        stages=[
            source("generate", "diffusion", 21.4),
            source("substitute", "substitution", 8.2),
            stage("relax", to_relax, at("relaxed"), 388.0, reused=4, note="2 worker processes"),
            stage("screen", to_screen, at("screened"), 6.1),
        ],
    )
    return CampaignDocument(
        campaign_id="cmp-0123456789abcdef",
        name=name,
        maker="DiscoveryMaker",
        rounds=[number],
        updated_at=begun + timedelta(seconds=415),
        provenance=Provenance(versions={"invdesflow": "0.1.0", "chgnet": "0.4.2", "torch": "2.13.0"}),
    )
