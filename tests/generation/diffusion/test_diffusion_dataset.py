"""Data sets of the generator: readers, refusals, and the arrays that keep the encoded crystals."""

import gzip
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp import Poscar

from invdesflow.eliashberg.formulas import mcmillan_tc
from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.dataset import TRAINING_GATES, encode_many
from invdesflow.generation.diffusion.encoding import encode
from invdesflow.generation.diffusion.orbits import EncodedCrystals
from invdesflow.generation.diffusion.sources import SOURCES, LabelledCrystal, read_benchmark
from invdesflow.superconductors.importers import Refusal


def rock_salt(metal, edge, anion="N"):
    primitive = Lattice(edge / 2 * (1 - np.eye(3)))
    return Structure(primitive, [metal, anion], [[0, 0, 0], [0.5, 0.5, 0.5]])


def entries():
    return [
        LabelledCrystal("set:1", rock_salt("Nb", 4.39), 16.0),
        Refusal("set:2", "it cannot be read"),
        LabelledCrystal("set:3", rock_salt("Nb", 12.0), None),
        LabelledCrystal("set:4", rock_salt("Tc", 4.2), None),
        LabelledCrystal("set:5", rock_salt("Ti", 4.24), None),
        LabelledCrystal("set:6", Structure(Lattice.cubic(3), [{"Fe": 0.5, "Ni": 0.5}], [[0, 0, 0]]), None),
        LabelledCrystal("set:7", rock_salt("Nb", 2.0), None),
        LabelledCrystal(
            "set:8",
            Structure.from_spacegroup(
                "P2_1/c", Lattice.monoclinic(5, 6, 7, 100), ["Si"] * 6, np.arange(18).reshape(6, 3) / 19
            ),
            None,
        ),
    ]


def row(structure, **more):
    return {
        "lattice": structure.lattice.matrix.tolist(),
        "species": [site.specie.symbol for site in structure],
        "frac": structure.frac_coords.tolist(),
        **more,
    }


def write_lines(path, rows):
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return path


def test_refusals_are_counted():
    crystals, refusals = encode_many(entries())
    assert crystals.ids.tolist() == ["set:1", "set:5"]
    assert crystals.formulas.tolist() == ["NbN", "TiN"]
    assert refusals == {"source": 1, "volume": 1, "elements": 1, "symmetry": 1, "contact": 1, "sites": 1}


def test_gates_are_the_callers():
    gates = TRAINING_GATES.model_copy(update={"allow_radioactive": True})
    assert "set:4" in encode_many(entries(), gates=gates)[0].ids.tolist()


def test_several_processes_find_the_same():
    one, refused = encode_many(entries())
    two, again = encode_many(entries(), processes=2)
    assert refused == again
    np.testing.assert_array_equal(one.parameters, two.parameters)
    assert one.ids.tolist() == two.ids.tolist()


def test_files_keep_everything(tmp_path):
    crystals, _ = encode_many(entries())
    crystals.save(tmp_path / "crystals.npz")
    again = EncodedCrystals.load(tmp_path / "crystals.npz")
    for name, array in vars(crystals).items():
        if isinstance(array, np.ndarray):
            np.testing.assert_array_equal(array, getattr(again, name))
    assert np.isnan(again.tc_k).tolist() == [False, True]


def test_crystals_come_out_as_they_went_in():
    structures = [
        rock_salt("Nb", 4.39),
        Structure.from_spacegroup(
            "P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
        ),
    ]
    originals = [encode(structure) for structure in structures]
    crystals = EncodedCrystals.of(originals, [1.0, 2.0], ["NbN", "TiO2"], ["a", "b"])
    for original, crystal in zip(originals, crystals.crystals(), strict=True):
        assert crystal.template == original.template
        assert crystal.elements == original.elements
        np.testing.assert_array_equal(crystal.parameters, original.parameters)
        np.testing.assert_array_equal(crystal.lattice, original.lattice)
        for ours, theirs in zip(crystal.alternatives, original.alternatives, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_parts_and_wholes():
    crystals, _ = encode_many(entries())
    backwards = crystals.subset([1, 0])
    assert backwards.ids.tolist() == ["set:5", "set:1"]
    joined = EncodedCrystals.join([backwards, crystals.subset([0])])
    assert len(joined) == 3
    assert joined.crystal(2).elements == crystals.crystal(0).elements
    assert len(crystals.subset([])) == 0
    assert list(crystals.subset([]).crystals()) == []


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "crystals.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="no encoded crystals"):
        EncodedCrystals.load(path)


def test_materials_project(tmp_path):
    rows = [row(rock_salt("Ti", 4.24), id="mp-492", e_form=-1.9, ehull=0.0), row(rock_salt("Ti", 4.24), id="mp-1")]
    found = list(SOURCES["materials-project"](write_lines(tmp_path / "mp.jsonl.gz", rows)))
    assert (found[0].source_id, found[0].tc_k) == ("materials-project:mp-492", None)
    assert isinstance(found[1], Refusal)


def test_tc_is_recomputed_at_one_mu_star(tmp_path):
    rows = [row(rock_salt("Nb", 4.39), mat_id="agm1", lambda_ep=0.9, wlog_K=300.0, Tc_K=99.0)]
    (found,) = SOURCES["alexandria"](write_lines(tmp_path / "alexandria.jsonl.gz", rows))
    assert found.source_id == "alexandria:agm1"
    assert found.tc_k == pytest.approx(float(mcmillan_tc(0.9, 300.0 / 11.604518, 0.10)))


def test_folders(tmp_path):
    folder = tmp_path / "crystals"
    folder.mkdir()
    rock_salt("Ti", 4.24).to(str(folder / "TiN.cif"))
    (found,) = SOURCES["folder"](folder)
    assert (found.source_id, found.tc_k) == ("file:TiN.cif", None)


def test_benchmarks(tmp_path):
    poscar = Poscar(rock_salt("Ti", 4.24)).get_str().replace("\n", "\\n")
    path = tmp_path / "perov5.json.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("perov5.json", json.dumps({"train": {"7": poscar, "8": "damaged"}, "val": {}}))
    good, bad = read_benchmark(path, "train")
    assert good.source_id == "perov5:7"
    assert good.structure.composition.reduced_formula == "TiN"
    assert isinstance(bad, Refusal)
    assert list(read_benchmark(path, "val")) == []
    with pytest.raises(ConfigurationError, match="no part 'test'"):
        list(read_benchmark(path, "test"))


def test_a_benchmark_that_is_no_json(tmp_path):
    (tmp_path / "perov5.json").write_text("nonsense")
    with pytest.raises(ConfigurationError, match="not JSON"):
        list(read_benchmark(tmp_path / "perov5.json", "train"))


def test_learning_imports_torch_and_numpy_only():
    """A machine with a GPU need not have the packages that read crystals."""
    code = (
        "import sys; import invdesflow.generation.diffusion.fitting; "
        "print(sorted({'pymatgen', 'spglib', 'ase', 'pydantic', 'scipy', 'pymongo', 'jobflow'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
