"""Batches: what happens to one crystal, one worker or the parent must not happen to the rest."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.errors import PotentialError
from invdesflow.relaxation.batch import relax_batch
from invdesflow.relaxation.potentials import find_potential, load_calculator
from invdesflow.relaxation.relaxation import RelaxationSettings, relax


def rocksalts(n):
    return {
        f"crystal {i}": Structure.from_spacegroup(
            225, Lattice.cubic(4.3 + 0.02 * i), ["Nb", "C"], [[0, 0, 0], [0.5, 0.5, 0.5]]
        )
        for i in range(n)
    }


def children(parent):
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False)
    return [int(pid) for pid in listed.stdout.split()]


def workers(parent):
    """Worker processes of a parent; the `ps` that lists them is gone by then."""
    return [pid for pid in children(parent) if is_worker(pid)]


def is_worker(pid):
    try:
        return b"invdesflow.relaxation.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # it ended before it was looked at, or meanwhile
        return False


def wait_until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_each_crystal_gets_its_own_result_or_its_own_failure():
    crystals = rocksalts(3) | {
        "radon": Structure(Lattice.cubic(4), ["Rn"], [[0, 0, 0]]),
        "disordered": Structure(Lattice.cubic(3), [{"Nb": 0.5, "Ta": 0.5}], [[0, 0, 0]]),
        "fused": Structure(Lattice.cubic(4), ["Cu", "Zn"], [[0, 0, 0], [0.05, 0, 0]]),
    }
    results = dict(relax_batch(crystals, find_potential(), workers=2))
    assert set(results) == set(crystals)
    assert "does not know Rn" in results["radon"].reason
    assert "disordered" in results["disordered"].reason
    assert "fused" in results["fused"].reason
    alone = relax(crystals["crystal 1"], load_calculator(find_potential()))
    assert results["crystal 1"].energy_ev == pytest.approx(alone.energy_ev, abs=1e-4)
    assert results["crystal 1"].n_force_evaluations == alone.n_force_evaluations
    assert workers(os.getpid()) == []


@pytest.mark.slow
def test_killed_workers_cost_nothing_but_time():
    crystals = rocksalts(30)
    results = {}
    for key, result in relax_batch(crystals, find_potential(), workers=2):
        results[key] = result
        if len(results) in (3, 12):
            os.kill(workers(os.getpid())[0], signal.SIGKILL)
    assert set(results) == set(crystals)
    assert all(result.converged for result in results.values())


@pytest.mark.slow
def test_a_crystal_that_takes_too_long_is_given_up_after_a_second_try():
    large = Structure.from_spacegroup(225, Lattice.cubic(4.9), ["Nb", "C"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    large.make_supercell(3)
    large.translate_sites([0], [0.01, 0.005, 0.0])
    tight = RelaxationSettings(fmax=1e-9, keep_symmetry=False, max_steps=100000)
    [(key, result)] = relax_batch({"large": large}, find_potential(), tight, workers=1, time_limit_s=1.0)
    assert key == "large"
    assert not result.converged
    assert result.reason == "time limit of 1 s exceeded"
    assert result.structure == large


def test_a_potential_that_cannot_be_loaded_stops_the_batch(tmp_path):
    broken = tmp_path / "weights.pth.tar"
    broken.write_bytes(b"nothing")
    with pytest.raises(PotentialError, match="cannot load"):
        list(relax_batch(rocksalts(2), find_potential("CHGNet", str(broken)), workers=1))


def test_closing_the_iterator_ends_the_workers():
    batch = relax_batch(rocksalts(20), find_potential(), workers=2)
    next(batch)
    assert workers(os.getpid())
    batch.close()
    assert workers(os.getpid()) == []


ENDLESS_BATCH = textwrap.dedent(
    """
    from invdesflow.relaxation.batch import relax_batch
    from invdesflow.relaxation.potentials import find_potential
    from pymatgen.core import Lattice, Structure

    crystal = Structure.from_spacegroup(225, Lattice.cubic(4.4), ["Nb", "C"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    for _ in relax_batch({i: crystal for i in range(100000)}, find_potential(), workers=2):
        print("one", flush=True)
    """
)


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_the_end_of_the_parent_is_the_end_of_the_workers(signal_number):
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS_BATCH],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # A test run in a shell's background ignores Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as parent:
        assert parent.stdout.readline() == b"one\n"
        ours = workers(parent.pid)
        assert ours
        parent.send_signal(signal_number)
        parent.wait(timeout=120)
        wait_until(lambda: not any(is_worker(pid) for pid in ours))
