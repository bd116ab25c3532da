"""Evaluation of a generator: a small untrained model, a few crystals."""

import json

import ase.io
import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from invdesflow.campaigns.generator_evaluation import evaluate_benchmark_model, evaluate_model
from invdesflow.campaigns.generator_rediscovery import evaluate_rediscovery
from invdesflow.campaigns.kept_drawings import draw_kept
from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.conditions import Conditions
from invdesflow.generation.diffusion.encoding import decode, encode
from invdesflow.generation.diffusion.model import GeneratorModel
from invdesflow.generation.diffusion.network import Denoiser, NetworkSettings
from invdesflow.generation.diffusion.orbits import EncodedCrystals
from invdesflow.generation.diffusion.sampling import Sampler, SamplerSettings
from invdesflow.generation.diffusion.training_set import TrainingSet

FAST = SamplerSettings(steps=4, chunk=8)


def rocksalt(metal: str, a: float) -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), [metal, "N"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def perovskite(metal: str, a: float) -> Structure:
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]
    return Structure.from_spacegroup("Pm-3m", Lattice.cubic(a), ["Sc", metal, "N"], sites)


def encoded_of(structures: list[Structure]) -> EncodedCrystals:
    formulas = [structure.composition.reduced_formula for structure in structures]
    return EncodedCrystals.of([encode(one) for one in structures], [np.nan] * len(structures), formulas, formulas)


@pytest.fixture(scope="module")
def crystals() -> EncodedCrystals:
    sizes = [("Ti", 4.24), ("V", 4.13), ("Nb", 4.39), ("Zr", 4.58), ("Hf", 4.52)]
    return encoded_of([rocksalt(*one) for one in sizes] + [perovskite("Ti", 4.1)])


@pytest.fixture(scope="module")
def model(crystals) -> GeneratorModel:
    """An untrained model: lattices are near the mean of the training set, elements are anything it saw."""
    training = TrainingSet.of(crystals)
    statistics = training.lattice_statistics()
    small = NetworkSettings(width=16, layers=1, frequencies=2, radial=4, time_waves=4)
    torch.manual_seed(0)
    network = Denoiser(small, torch.from_numpy(statistics.mean), torch.from_numpy(statistics.spread)).eval()
    card = {"model_id": "untrained", "version": 1}
    return GeneratorModel(network, "clean", training.prior(), training.known_elements, card, "0" * 64)


def test_every_drawing_counts(model, crystals, tmp_path):
    evaluation = evaluate_model(model, tmp_path, n=12, relax=0, sampler=FAST, training=crystals)
    assert evaluation.finite.count == evaluation.finite.total == 12
    assert evaluation.validity.structural.total == 12
    assert evaluation.intended_space_group.total == evaluation.novelty.unique.total == 12
    assert evaluation.relaxation is None
    assert json.loads((tmp_path / "evaluation.json").read_text())["model_digest"] == "0" * 64
    frames = ase.io.read(tmp_path / "generated.extxyz", index=":")
    assert [frame.info["index"] for frame in frames] == list(range(12))


def test_a_crystal_of_the_training_set_is_not_new(model, crystals, tmp_path):
    conditions = Conditions(composition="TiN", space_group=225)  # rock salt is all that the model can make of it
    known = evaluate_model(model, tmp_path / "a", n=4, relax=0, sampler=FAST, conditions=conditions, training=crystals)
    assert known.compared_crystals == 1
    assert (known.novelty.unique.count, known.novelty.new_structure.count) == (1, 0)
    others = encoded_of([rocksalt("Nb", 4.39)])
    new = evaluate_model(model, tmp_path / "b", n=4, relax=0, sampler=FAST, conditions=conditions, training=others)
    assert new.novelty.new_structure.count == 4
    compounds = evaluate_model(model, tmp_path / "c", n=4, relax=0, sampler=FAST, conditions=conditions)
    assert compounds.compared_crystals == 0
    assert compounds.novelty.new_structure.count == 0  # TiN in Fm-3m is among the known compounds


def test_drawings_continue_where_they_stopped(model, tmp_path):
    path = tmp_path / "drawings.jsonl"
    whole = list(zip(Sampler(model, settings=FAST).draw(3), range(11), strict=False))
    draw_kept(model, Conditions(), FAST, seed=3, n=5, path=path)
    path.write_bytes(path.read_bytes()[:-20])  # a kill in the middle of a line
    kept = draw_kept(model, Conditions(), FAST, seed=3, n=11, path=path)
    assert len(path.read_text().splitlines()) == 12
    for ours, (expected, _) in zip(kept, whole, strict=True):
        assert ours.template == expected.template
        assert ours.elements == expected.elements
        np.testing.assert_array_equal(ours.lattice, expected.lattice)
        np.testing.assert_array_equal(ours.parameters, expected.parameters)


def test_a_folder_of_another_evaluation_is_refused(model, tmp_path):
    evaluate_model(model, tmp_path, n=2, relax=0, sampler=FAST)
    with pytest.raises(ConfigurationError, match="another model or other settings"):
        evaluate_model(model, tmp_path, n=2, relax=0, sampler=FAST, seed=1)


@pytest.mark.parametrize("n", [0, -1])
def test_nothing_cannot_be_evaluated(model, tmp_path, n):
    with pytest.raises(ConfigurationError, match="cannot be drawn"):
        evaluate_model(model, tmp_path, n=n)
    with pytest.raises(ConfigurationError, match="cannot be relaxed"):
        evaluate_model(model, tmp_path, n=1, relax=-1)


def test_benchmark(model, crystals, tmp_path):
    reference = [decode(crystal) for crystal in crystals.crystals()]
    result = evaluate_benchmark_model(model, "perov_5", reference, tmp_path, n=6, sampler=FAST)
    assert (result.generated, result.fingerprinted) == (6, 6)
    assert json.loads((tmp_path / "benchmark.json").read_text())["benchmark"] == "perov_5"


def test_what_symmetry_fixes_is_rediscovered(model, crystals, tmp_path):
    """An untrained model finds rock salt, for its positions and the mean lattice are all there is to know."""
    targets = encoded_of([rocksalt("Ti", 4.24), perovskite("Zr", 4.3), rocksalt("Mo", 4.2)])
    found = evaluate_rediscovery(model, targets, tmp_path, samples=8, sampler=FAST)
    assert found.from_space_group.match_rate.count == 2
    assert found.refused_composition == found.refused_space_group == 1  # molybdenum was never seen
    assert found.from_composition.match_rate.total == 3
    assert found.from_composition.samples == 8
    lines = (tmp_path / "rediscovery.jsonl").read_text().splitlines()
    again = evaluate_rediscovery(model, targets, tmp_path, samples=8, sampler=FAST)
    assert (tmp_path / "rediscovery.jsonl").read_text().splitlines() == lines
    assert again == found


def test_a_held_out_family_is_composed(model, crystals, tmp_path):
    """No template of the model holds fluorite, but the table of positions does."""
    fluorite = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.9), ["Ti", "N"], [[0, 0, 0], [0.25, 0.25, 0.25]])
    settings = SamplerSettings(steps=4, composed_share=0.5)
    found = evaluate_rediscovery(model, encoded_of([fluorite]), tmp_path, samples=8, sampler=settings)
    assert found.from_space_group.match_rate.count == 1
    without = evaluate_rediscovery(model, encoded_of([fluorite]), tmp_path / "known", samples=8, sampler=FAST)
    assert without.refused_space_group == 1


@pytest.mark.slow
def test_relaxation_and_hull(model, crystals, tmp_path, monkeypatch):
    file = tmp_path / "mp.jsonl"
    rows = []
    for number, structure in enumerate([rocksalt("Ti", 4.24), rocksalt("Nb", 4.39)]):
        primitive = structure.get_primitive_structure()
        species = [site.specie.symbol for site in primitive]
        cell = {"lattice": primitive.lattice.matrix.tolist(), "frac": primitive.frac_coords.tolist()}
        rows.append({"id": f"mp-{number}", "species": species, "e_form": -1.0, "ehull": 0.0, **cell})
    file.write_text("\n".join(map(json.dumps, rows)))
    conditions = Conditions(composition="TiN", space_group=225)
    asked = {"n": 3, "relax": 2, "conditions": conditions, "materials_project": file, "training": crystals}
    evaluation = evaluate_model(model, tmp_path / "out", sampler=FAST, workers=1, **asked)
    relaxation = evaluation.relaxation
    assert relaxation.stability.relaxed.model_dump() == {"count": 2, "total": 2, "share": 1.0}
    assert relaxation.stability.stable.count == 2  # TiN against TiN
    assert relaxation.stability.mean_e_above_hull_ev_per_atom == pytest.approx(0, abs=2e-3)
    assert relaxation.stability.stable_unique_novel.count == 0
    assert relaxation.stability.mean_rmsd_angstrom == pytest.approx(0, abs=1e-6)  # symmetry fixes all atoms
    assert relaxation.hull.compounds.total == 1  # NbN does not compete with TiN
    assert relaxation.hull.systems.count == relaxation.hull.systems.total == 3
    frames = ase.io.read(tmp_path / "out" / "relaxed.extxyz", index=":")
    assert all(frame.info["converged"] for frame in frames)
    assert frames[0].get_volume() == pytest.approx(4.24**3 / 4, rel=0.03)

    def refuse(structures, *_, **__):
        assert not structures
        return (None for _ in ())

    monkeypatch.setattr("invdesflow.campaigns.competitors.relax_batch", refuse)
    assert evaluate_model(model, tmp_path / "out", sampler=FAST, workers=1, **asked) == evaluation
