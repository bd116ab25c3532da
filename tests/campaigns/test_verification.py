"""From crystals to their electron-phonon documents, with the real programs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from real_programs import FAMILY, FILES, NEEDS_PROGRAMS, silicon, stored_candidate, without_ph
from scipy.optimize import brentq
from scipy.special import erf

from invdesflow.campaigns.local import run_campaign
from invdesflow.campaigns.recipes import Recipe
from invdesflow.campaigns.rounds import get_campaign
from invdesflow.campaigns.subjects import Subject
from invdesflow.campaigns.verification import VerificationMaker
from invdesflow.campaigns.verifying import verify
from invdesflow.database.arrays import unpack_arrays
from invdesflow.eliashberg.migdal_eliashberg import gap_function
from invdesflow.eliashberg.pade import gap_edge
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.epw.parsers.wannier import read_hamiltonian
from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.meshes import explicit_k_points
from invdesflow.espresso.tasks import run_root, task_path

pytestmark = NEEDS_PROGRAMS


def smoke(**overrides):
    return Calculation.of("smoke", str(FAMILY), files=FILES, overrides=overrides)


def aluminium():
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.968), ["Al"], [[0, 0, 0]])


def running_programs():
    """Return the processes of Quantum ESPRESSO below our folder of run folders."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve().is_relative_to(run_root()) and "ph.x" in (process / "cmdline").read_text():
                found.append(process.name)
        except OSError:
            continue
    return found


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def test_aluminium_from_a_candidate_to_its_document_through_a_kill(database):
    """The whole chain: kill -9 among the phonons, the same command again, and what the numbers have to agree with."""
    candidate_id = stored_candidate(database, aluminium())
    options = ["--protocol", "smoke", "--family", str(FAMILY), "--pseudo", "Al=Al.pz-vbc.UPF", "--jobs", "2"]
    options += ["--set", "fine_q_spacings=[0.6, 0.47]"]
    command = [sys.executable, "-m", "invdesflow.cli.main", "verify", candidate_id, *options]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(running_programs, 300)
    first.send_signal(signal.SIGKILL)
    first.wait()
    wait_for(lambda: not running_programs(), 60)
    tasks = database.collection(EspressoTaskDocument)
    before = {task.task_id: task.created_at for task in tasks.find({"status": "completed"})}
    assert [step.step for step in tasks.find({"task_id": {"$in": list(before)}}) if step.step == "scf"]

    second = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"})
    assert second.returncode == 0, second.stderr
    kept = {task.task_id: task.created_at for task in tasks.find({"task_id": {"$in": list(before)}})}
    assert kept == before, "what was done before the kill is not done again"
    [document] = database.collection(ElectronPhononDocument).find({"candidate_id": candidate_id})
    assert document.status in ("completed", "not_converged")
    assert f"lambda = {document.lambda_:.3f}" in second.stderr
    check_phonons(document)
    check_wannier_functions(document)
    check_density_of_states(database, document)
    check_coupling(database, document)
    check_gaps(database, document)
    check_cost(database, document)
    [summary] = database.candidates(stage="verified")
    assert (summary.candidate_id, summary.elph_lambda) == (candidate_id, document.lambda_)
    assert summary.elph_tc_k == document.tc_k("migdal_eliashberg")


def check_phonons(document):
    """The highest frequency lies at X, longitudinal: 9.69 THz at 80 K (Stedman and Nilsson, Phys. Rev. 145, 492)."""
    assert document.phonons.irreducible_q_points == 4
    assert document.phonons.imaginary_modes == []
    assert document.phonons.max_frequency_cm1 == pytest.approx(9.69e12 / 2.99792458e10, rel=0.06)


def check_wannier_functions(document):
    *refused, taken = document.wannier
    assert taken.problem == ""
    assert taken.rms_mev < document.settings["wannier_tolerance_mev"]
    assert all(trial.problem for trial in refused)


def methfessel_paxton(x):
    """First order, which epw.x takes for its electrons: the smeared delta, and its integral (eq. 12 and after)."""
    gaussian = np.exp(-(x**2)) / np.sqrt(np.pi)
    return gaussian * (1.5 - x**2), 0.5 * (1.0 + erf(x)) + 0.5 * x * gaussian


def check_density_of_states(database, document):
    """Count the states ourselves, from the Wannier Hamiltonian on the mesh that epw.x took."""
    hamiltonian = read_hamiltonian(task_path(document.wannier[-1].task_id) / "crystal_hr.dat")
    mesh = document.mesh_convergence[-1].k_mesh
    energies = hamiltonian.eigenvalues(explicit_k_points(mesh)).ravel()
    width, points = document.settings["degaussw_ev"], np.prod(mesh)

    def excess(level):
        return 2.0 * methfessel_paxton((level - energies) / width)[1].sum() / points - 3.0

    level = brentq(excess, 5.0, 12.0)
    states = 2.0 * methfessel_paxton((level - energies) / width)[0].sum() / width / points
    assert document.dos_per_ev == pytest.approx(states, rel=0.01)


def check_coupling(database, document):
    arrays = unpack_arrays(database.blobs.get(document.arrays))
    spectrum = Alpha2F(arrays["alpha2f_mev"], arrays["alpha2f"])
    integral = 2.0 * np.trapezoid(spectrum.values / spectrum.energies_mev, spectrum.energies_mev)
    assert document.lambda_ == pytest.approx(integral, rel=1e-3)
    by_mode, energies = arrays["alpha2f_by_mode"], arrays["alpha2f_by_mode_mev"]
    assert document.lambda_ == pytest.approx(2.0 * np.trapezoid(by_mode.sum(axis=0) / energies, energies), rel=0.02)
    assert spectrum.omega_max_mev == pytest.approx(document.phonons.max_frequency_cm1 / 8.0655, rel=0.06)
    # published values lie between 0.38 and 0.45; these meshes are coarse
    assert 0.25 < document.lambda_ < 0.75


def check_gaps(database, document):
    """Our solver on alpha2F against epw.x on the matrix elements, at the same mu* and cutoff; nothing above Tc."""
    arrays = unpack_arrays(database.blobs.get(document.arrays))
    spectrum = Alpha2F(arrays["alpha2f_mev"], arrays["alpha2f"])
    cutoff = document.settings["wscut_multiple"] * spectrum.omega_max_mev
    pairing = Pairing(spectrum, 0.10, cutoff)
    found = [gap for gap in document.gaps if gap.gap_mean_mev is not None]
    assert found
    for gap in found:
        ours = gap_edge(gap_function(pairing, gap.temperature_k))
        assert gap.gap_mean_mev == pytest.approx(ours, rel=0.01)
    assert [gap.gap_mean_mev for gap in found] == sorted((gap.gap_mean_mev for gap in found), reverse=True)
    assert document.gaps[-1].gap_mean_mev is None or document.gaps[-1].gap_mean_mev < 0.3 * found[0].gap_mean_mev


def check_cost(database, document):
    steps = [step.step for step in document.cost]
    for expected in ("scf", "q-points", "force constants", "nscf", "bands", "projections", "EPW coarse"):
        assert expected in steps
    assert sum(step.startswith("phonons at q-point") for step in steps) == 4
    spent = [step.core_hours + step.lost_core_hours for step in document.cost]  # what the kill cost included
    assert document.core_hours == pytest.approx(sum(spent))
    assert {step.task_id for step in document.cost} == set(document.task_ids)
    assert all(step.used for step in document.cost)


def test_an_unstable_crystal_ends_with_its_imaginary_modes(database):
    """Simple cubic aluminium; the phonons are the result, and nothing after them is run."""
    crystal = Structure(Lattice.cubic(2.7), ["Al"], [[0, 0, 0]])
    calculation = smoke(q_spacing=1.2, k_spacing=0.4, fine_q_spacings=[1.2])
    document = verify(database, Subject(crystal, None), calculation, workers=2)
    assert document.status == "dynamically_unstable"
    lowest = document.phonons.imaginary_modes[0]
    assert lowest.frequency_cm1 == document.phonons.min_frequency_cm1 < -30.0
    assert f"{lowest.frequency_cm1:.1f} cm-1" in document.reason
    assert document.lambda_ is None
    assert document.critical_temperatures == []
    assert {step.program for step in document.cost} == {"pw.x", "ph.x", "q2r.x", "matdyn.x"}
    assert unpack_arrays(database.blobs.get(document.arrays))["phonon_frequencies_cm1"].min() < -30.0
    again = verify(database, Subject(crystal, None), calculation, workers=2)
    assert again.updated_at == document.updated_at


def test_an_insulator_ends_before_its_phonons(database):
    """Silicon, whose gap in the local-density approximation is about 0.5 eV."""
    crystal = silicon()
    document = verify(database, Subject(crystal, None), smoke(), workers=1)
    assert (document.status, document.protocol_label) == ("insulating", "smoke")
    candidate_id = stored_candidate(database, crystal)
    same = verify(database, Subject(crystal, candidate_id), smoke(), workers=1)
    assert (same.elph_id, same.candidate_id) == (document.elph_id, candidate_id)
    assert [row.elph_status for row in database.candidates()] == ["insulating"]
    assert 0.3 < document.electrons.gap_ev < 0.8
    assert {step.program for step in document.cost} == {"pw.x"}


def test_a_failure_is_in_the_document_and_the_same_call_goes_on(database, monkeypatch, tmp_path):
    """Without ph.x the density is found and kept; with it again, the calculation goes on from there."""
    crystal = Structure(Lattice.cubic(2.7), ["Al"], [[0, 0, 0]])
    calculation = smoke(q_spacing=1.2, k_spacing=0.4, fine_q_spacings=[1.2])
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_DIR", str(tmp_path / "espresso"))  # finished runs of others would be taken
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_BIN", str(without_ph(tmp_path / "bin")))
    with pytest.raises(EspressoError, match="out of order"):
        verify(database, Subject(crystal, None), calculation, workers=1)
    [document] = database.collection(ElectronPhononDocument).find({})
    assert document.status == "failed"
    assert "q-points of Al failed" in document.reason
    [density] = database.collection(EspressoTaskDocument).find({"status": "completed"})
    assert [(step.step, step.used) for step in document.cost] == [("scf", False), ("q-points", False)]
    assert document.core_hours == sum(step.core_hours for step in document.cost) > density.core_hours
    monkeypatch.delenv("INVDESFLOW_ESPRESSO_BIN")
    done = verify(database, Subject(crystal, None), calculation, workers=2)
    assert done.status == "dynamically_unstable"
    [q_points] = [step for step in done.cost if step.step == "q-points"]
    assert q_points.lost_core_hours > 0.0
    assert done.core_hours == pytest.approx(sum(step.core_hours + step.lost_core_hours for step in done.cost))
    assert database.collection(EspressoTaskDocument).get(density.task_id).created_at == density.created_at


def test_a_campaign_verifies_its_candidates_and_counts_what_came_of_them(database):
    """Silicon, an insulator, and simple cubic aluminium, for which the family named has no unambiguous file."""
    candidates = [stored_candidate(database, silicon()), stored_candidate(database, aluminium())]
    maker = VerificationMaker(
        candidate_ids=candidates, protocol="smoke", family=str(FAMILY), files={"Si": FILES["Si"], "Al": "absent.UPF"}
    )
    assert run_campaign(database, Recipe("verified", maker)) == 0
    [stage] = get_campaign(database, "verified").rounds[0].stages
    assert (stage.entered, stage.passed, stage.rejected) == (2, 0, {"failed": 1, "insulating": 1})
    states = {row.candidate_id: row.elph_status for row in database.candidates()}
    assert states == {candidates[0]: "insulating", candidates[1]: None}
