"""Crystals and candidates for Quantum ESPRESSO and EPW themselves, with the pseudopotentials that come with them."""

import shutil
from pathlib import Path

import pytest
from documents import candidate, relaxation
from pymatgen.core import Lattice, Structure

from invdesflow.generation.documents import CandidateDocument
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.relaxation.documents import Subject as Relaxed

FAMILY = Path("/usr/share/espresso/pseudo")
FILES = {"Al": "Al.pz-vbc.UPF", "Si": "Si.pz-vbc.UPF"}

NEEDS_PROGRAMS = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in ("pw.x", "ph.x", "epw.x")) or not FAMILY.is_dir(),
        reason="Quantum ESPRESSO or its pseudopotentials are not installed (apt install quantum-espresso wannier90)",
    ),
]


def stored_candidate(database, structure):
    """Store a candidate with a converged relaxation, as a discovery leaves it."""
    crystal = candidate(structure)
    database.collection(CandidateDocument).upsert([crystal])
    subject = Relaxed(kind="candidate", id=crystal.candidate_id)
    database.collection(RelaxationDocument).upsert([relaxation(subject, structure, -3.7)])
    return crystal.candidate_id


def silicon():
    return Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.43), ["Si"], [[0, 0, 0]])


def simple_cubic_aluminium():
    """Return a crystal that is dynamically unstable."""
    return Structure(Lattice.cubic(2.7), ["Al"], [[0, 0, 0]])


def without_ph(folder):
    """Return a folder with the programs, of which ph.x fails at once."""
    folder.mkdir()
    for program in Path(shutil.which("pw.x")).parent.glob("*.x"):
        (folder / program.name).symlink_to(program)
    (folder / "ph.x").unlink()
    (folder / "ph.x").write_text("#!/bin/sh\necho out of order >&2\nexit 3\n")
    (folder / "ph.x").chmod(0o755)
    return folder
