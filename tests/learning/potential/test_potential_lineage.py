"""What a potential has seen is not what it is measured on, also where its parents saw it."""

import json
from dataclasses import replace

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.errors import LearningError
from invdesflow.learning.potential.deepmd_input import DpaSettings
from invdesflow.learning.potential.deepmd_training import Parent, TrainedPotential, train_potential
from invdesflow.learning.potential.frames import label_with
from invdesflow.learning.potential.lineage import Seen
from invdesflow.learning.potential.packing import labels_digest, pack_potential
from invdesflow.relaxation.potentials import Potential


def frames(*names):
    return list(label_with([AseAtomsAdaptor.get_structure(bulk(name)) for name in names], EMT(), "EMT"))


def card(*names, **fields):
    return {"theory": "EMT", "training_set": {"compositions": dict.fromkeys(names, 3)}, "parent_sha256": None} | fields


def trained(tmp_path, said):
    potential = Potential(kind="DeePMD", model=str(tmp_path / "model.pth"), elements=("Cu",), digest="0" * 64)
    return TrainedPotential(potential, tmp_path / "model.pt", said)


def test_a_child_has_seen_what_its_parents_have():
    first = Seen.of_card(card("Cu") | {"seen_by_parent": Seen().to_card()})
    second = Seen.of_card(card("Au", parent_sha256="f", seen_by_parent=first.to_card()))
    third = Seen.of_card(json.loads(json.dumps(card("Ag", parent_sha256="f", seen_by_parent=second.to_card()))))
    assert third == Seen(frozenset({"Cu", "Au", "Ag"}), complete=True)
    third.require_unseen(frames("Pt"))
    with pytest.raises(LearningError, match="was trained on Cu"):
        third.require_unseen(frames("Pt", "Cu"))


def test_of_foreign_parents_nothing_is_known(tmp_path):
    foreign = tmp_path / "dpa.pt"
    foreign.touch()
    assert Seen.of_file(foreign) == Seen(complete=False)
    child = Seen.of_card(card("Cu", parent_sha256="f", seen_by_parent=Seen.of_file(foreign).to_card()))
    assert child == Seen(frozenset({"Cu"}), complete=False)
    assert not Seen.of_card(card("Cu", parent_sha256="f")).complete  # as cards were before that was kept
    assert Seen.of_card(card("Cu")).complete


def test_nothing_is_fine_tuned_for_what_the_parent_has_seen(tmp_path):
    checkpoint = tmp_path / "model.pt"
    checkpoint.touch()
    (tmp_path / "card.json").write_text(json.dumps(card("Au")))
    with pytest.raises(LearningError, match="was trained on Au"):
        train_potential(
            frames("Cu"), DpaSettings(), tmp_path / "child", held_out=frames("Au"), parent=Parent(checkpoint)
        )
    assert not (tmp_path / "child").exists()


def test_a_potential_is_not_packed_with_what_its_parent_has_seen(tmp_path):
    said = card("Cu", parent_sha256="f", seen_by_parent=Seen(frozenset({"Au"})).to_card())
    with pytest.raises(LearningError, match="was trained on Au"):
        pack_potential(trained(tmp_path, said), "child", frames("Au"), tmp_path / "child.safetensors")


def test_a_potential_is_not_packed_with_labels_of_another_theory(tmp_path):
    other = [replace(frame, theory="CHGNet") for frame in frames("Au")]
    with pytest.raises(LearningError, match="learned EMT; held-out labels are of CHGNet"):
        pack_potential(trained(tmp_path, card("Cu")), "one", other, tmp_path / "one.safetensors")


def test_errors_are_comparable_on_the_same_labels_of_the_same_theory_only():
    one = frames("Au", "Ag")
    assert labels_digest(one) == labels_digest(one[::-1])
    others = [
        [replace(frame, theory="CHGNet") for frame in one],
        [replace(frame, energy_ev=frame.energy_ev + 0.1) for frame in one],
        one[:1],
    ]
    assert len({labels_digest(found) for found in [one, *others]}) == 4
