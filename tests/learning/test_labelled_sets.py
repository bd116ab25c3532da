"""Labelled sets from files of the importers."""

import json
from pathlib import Path

import numpy as np
import pytest

from invdesflow.errors import LearningError
from invdesflow.learning.bias import CrystalKind
from invdesflow.learning.labelled_sets import LabelledSet, read_labelled_set

FCC = ((0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0))


def rock_salt(identifier: str, a: float, metal: str, other: str, lambda_: float, tc: float) -> str:
    row = {
        "mat_id": identifier,
        "lattice": (a * np.array(FCC)).tolist(),
        "species": [metal, other],
        "frac": [[0, 0, 0], [0.5, 0.5, 0.5]],
        "lambda_ep": lambda_,
        "wlog_K": 300.0,
        "Tc_K": tc,
    }
    return json.dumps(row)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [
        rock_salt("one", 4.47, "Nb", "C", 0.9, 14.0),
        rock_salt("the same crystal", 4.47, "Nb", "C", 0.8, 11.0),
        rock_salt("unstable", 4.6, "Ta", "C", 3.6, 30.0),
        rock_salt("two", 4.24, "Ti", "N", 0.6, 6.0),
        "{}",
    ]
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(rows))
    return path


def test_reads_each_trustworthy_crystal_once(file: Path) -> None:
    data = read_labelled_set(file, "alexandria")
    assert data.tc_k.tolist() == [14.0, 6.0]  # as published at mu* = 0.10
    assert [sorted(kind.elements) for kind in data.kinds] == [["C", "Nb"], ["N", "Ti"]]
    assert {kind.prototype for kind in data.kinds} == {"AB Fm-3m"}
    assert data.features.shape == (2, 319)


def test_a_kept_set_is_that_of_its_file(file: Path, tmp_path: Path) -> None:
    first, again = (read_labelled_set(file, "alexandria", tmp_path / "cache") for _ in range(2))
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert (first.names, first.kinds) == (again.names, again.kinds)
    assert (first.features == again.features).all()
    file.write_text(rock_salt("other", 4.4, "V", "N", 1.0, 9.0))
    assert read_labelled_set(file, "alexandria", tmp_path / "cache").tc_k.tolist() == [9.0]


def test_a_file_without_a_crystal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("{}\n")
    with pytest.raises(LearningError, match="no crystal with a Tc"):
        read_labelled_set(tmp_path / "empty.jsonl", "alexandria")


def test_labels_must_be_temperatures() -> None:
    with pytest.raises(LearningError, match="a Tc that is none"):
        LabelledSet(("a",), np.ones((1, 1)), np.array([-1.0]), (CrystalKind(frozenset({"Nb"}), "A Im-3m"),))
