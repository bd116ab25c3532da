"""The cost model: counts that pw.x prints, and what must hold of every estimate."""

import dataclasses

import numpy as np
import pytest
from pymatgen.core import Element, Lattice, Structure

from invdesflow.errors import ModelError
from invdesflow.screening.cost import CostModel
from invdesflow.screening.training.cost import (
    PSEUDOPOTENTIALS,
    RUNS,
    MeasuredRun,
    evaluate,
    fit,
    leave_one_crystal_out,
    main,
    read_runs,
)
from invdesflow.screening.training.splits import is_held_out
from invdesflow.screening.workload import PAPER, SCREENING, Protocol, band_count, count, plane_wave_count

HYDRIDE = Structure.from_spacegroup(225, Lattice.cubic(7.344), ["K", "Cu", "H"], [[0.25] * 3, [0] * 3, [0.2124, 0, 0]])
CARBIDE = Structure.from_spacegroup(225, Lattice.cubic(4.47), ["Nb", "C"], [[0] * 3, [0.5] * 3])
DIBORIDE = Structure.from_spacegroup(191, Lattice.hexagonal(3.08, 3.52), ["Mg", "B"], [[0] * 3, [1 / 3, 2 / 3, 0.5]])


@pytest.fixture(scope="module")
def model():
    return CostModel.load()


def test_counts_are_those_that_pw_x_prints(model):
    # pw.x 6.7 with ONCV pseudopotentials, automatic mesh 3 3 3, 40 Ry (benchmarks/espresso_cost.py runs): "number of
    # electrons = 17.00", "number of Kohn-Sham states= 13", "number of k points= 4", and "( 639 PWs)" on the average.
    work = count(CARBIDE, model.valences, Protocol("", 40.0, 1.0, 1), ((3, 3, 3), (2, 2, 2)))
    assert (work.atoms, work.electrons, work.bands, work.k_points) == (2, 17, 13, 4)
    assert work.plane_waves == pytest.approx(639.25, rel=0.02)
    # Mg2IrH6 at 40 Ry: 43 electrons, 26 states, 2149 plane waves; Al: 3 electrons, 6 states.
    assert band_count(43) == 26
    assert band_count(3) == 6
    assert plane_wave_count(6.70**3 / 4, 40.0) == pytest.approx(2149, rel=0.02)


def test_the_published_settings_are_those_of_the_protocol(model):
    work = count(HYDRIDE, model.valences, PAPER)
    assert work.k_mesh == (16, 16, 16)
    assert work.q_mesh == (4, 4, 4)
    assert len(work.wave_vectors) == 8
    assert (PAPER.cutoff_ry, work.electrons, work.atoms) == (80.0, 9 + 9 + 19 + 6, 9)


def test_the_published_hydride_takes_what_others_say(model):
    # 900 to 1,300 core-hours were extrapolated from ph.x at 50 Ry: 0.8 s per mode, k-point and iteration.
    prediction = model.predict([HYDRIDE], PAPER)[0]
    assert 1000 / 3 < prediction.core_hours < 3 * 1000
    assert sum(prediction.part_core_hours.values()) == pytest.approx(prediction.core_hours)
    assert prediction.largest_job_core_hours < prediction.core_hours / prediction.workload.representations * 20
    assert prediction.factor > 1


def test_no_choice_of_the_cell_changes_an_estimate(model):
    cells = [DIBORIDE, DIBORIDE * (2, 1, 3), DIBORIDE.get_reduced_structure()]
    skewed = DIBORIDE.copy()
    skewed.make_supercell([[1, 1, 0], [0, 1, 0], [1, 0, 1]])
    skewed.translate_sites(range(len(skewed)), [0.13, 0.2, 0.31])
    first, *others = [prediction.core_hours for prediction in model.predict([*cells, skewed])]
    assert others == pytest.approx([first] * 3, rel=1e-6)


def test_more_work_takes_longer(model):
    def hours(structure, **changes):
        return model.predict([structure], dataclasses.replace(PAPER, **changes))[0].core_hours

    usual = hours(CARBIDE)
    assert hours(CARBIDE, cutoff_ry=100.0) > 1.3 * usual
    assert hours(CARBIDE, k_per_q=5) > usual * (5 / 4) ** 2
    assert hours(CARBIDE, q_spacing=0.3) > usual
    assert model.predict([CARBIDE], SCREENING)[0].core_hours < usual
    assert hours(HYDRIDE) > usual
    broken = CARBIDE.get_primitive_structure().translate_sites([1], [0.01, 0.02, 0.035])
    assert hours(broken) > 20 * usual  # of 48 operations one is left
    fast = model.predict([CARBIDE], machine_speed=2.0)[0]
    assert fast.core_hours == pytest.approx(usual / 2)


def test_what_cannot_be_estimated_has_a_reason(model):
    unknown = Structure(Lattice.cubic(4), ["U"], [[0] * 3])
    disordered = Structure(Lattice.cubic(3), [{"Fe": 0.5, "Ni": 0.5}], [[0] * 3])
    overlapping = Structure(Lattice.cubic(3), ["Al", "Al"], [[0] * 3, [0] * 3])
    *refused, good = model.predict([unknown, disordered, overlapping, CARBIDE])
    assert "U" in refused[0].reason
    assert all(row.reason and row.core_hours is None for row in refused)
    assert good.reason is None


def test_the_table_counts_electrons_from_a_closed_shell(model):
    for number, valence in model.valences.items():
        core = number - valence.electrons
        assert core in {0, 2, 4, 10, 12, 18, 28, 30, 36, 46, 48, 54, 60, 62, 68, 70, 78, 80}, Element.from_Z(
            number
        ).symbol
        assert valence.projectors > 0


def run_of(formula, part, repeats, bands, plane_waves, projectors, seconds):
    return MeasuredRun(formula, part, bands, plane_waves, projectors, repeats, 10, seconds, 40)


def test_the_fit_finds_the_seconds_behind_exact_runs():
    true = np.array([2e-8, 3e-9, 5e-9, 0.4])
    rows = [
        run_of(name, part, 3, bands, waves, projectors, 1.0)
        for part in ("scf", "bands", "setup", "response")
        for name, bands, waves, projectors in (
            ("A", 6, 200.0, 9),
            ("B", 13, 700.0, 40),
            ("C", 25, 2000.0, 60),
            ("D", 40, 900.0, 150),
            ("E", 10, 3000.0, 20),
        )
    ]
    exact = [dataclasses.replace(row, cpu_s=float(row.terms(10) @ true)) for row in rows]
    found = fit(exact)
    np.testing.assert_allclose(found.coefficients, np.tile(true[:3], (4, 1)), rtol=1e-6)
    np.testing.assert_allclose(found.overheads, true[3], rtol=1e-6)
    errors = leave_one_crystal_out(exact)
    assert max(abs(error) for row in errors.values() for error in row.values()) < 1e-6


def test_the_shipped_model_is_the_one_that_the_shipped_runs_give(model, tmp_path):
    main(["--runs", str(RUNS), "--pseudopotentials", str(PSEUDOPOTENTIALS), "--output", str(tmp_path)])
    trained = CostModel.load(tmp_path / "cost.safetensors")
    np.testing.assert_allclose(trained.coefficients, model.coefficients, rtol=1e-6, atol=1e-16)
    assert trained.factor == pytest.approx(model.factor)
    metrics = model.card["held_out"]["metrics"]
    assert evaluate(model, {}) == pytest.approx(metrics)
    assert any(is_held_out(run.formula) for run in read_runs(RUNS))


def test_a_model_that_lacks_something_says_what(model):
    with pytest.raises(ModelError, match="coefficients"):
        CostModel({}, model.card)
