import copy
import io
import time
import zipfile
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from pymatgen.core import Lattice, Structure

from invdesflow.database import Database
from invdesflow.database.arrays import pack_arrays, unpack_arrays
from invdesflow.database.migrations import migrate
from invdesflow.epw.documents import CriticalTemperature, ElectronPhononDocument
from invdesflow.errors import DatabaseError
from invdesflow.espresso.protocols import load_protocol

ALUMINIUM = Structure(Lattice([[0, 1.985, 1.985], [1.985, 0, 1.985], [1.985, 1.985, 0]]), ["Al"], [[0, 0, 0]])


def document(**changes: Any) -> ElectronPhononDocument:
    fields: dict[str, Any] = {
        "elph_id": "elph-1",
        "candidate_id": None,
        "reduced_formula": "Al",
        "space_group_number": 225,
        "structure": ALUMINIUM,
        "pressure_gpa": 0.0,
        "protocol": "smoke",
        "settings": load_protocol("smoke").values(),
        "pseudopotentials": {"Al": {"file": "Al.upf", "sha256": "0" * 64, "functional": "PZ"}},
        "status": "running",
        "reason": "",
    }
    return ElectronPhononDocument(**fields | changes)


RESULT = {"lambda_": 0.37, "omega_log_mev": 22.7, "arrays": "0" * 64}


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "running", "reason": "something"},
        {"status": "completed", "reason": "something", **RESULT},
        {"status": "completed"},
        {"status": "completed", **RESULT, "lambda_": None},
        {"status": "completed", **RESULT, "omega_log_mev": None},
        {"status": "completed", **RESULT, "arrays": None},
        {"status": "not_converged", "reason": "Tc moves", "lambda_": 0.37},
        {"status": "failed"},
        {"status": "insulating"},
        {"status": "dynamically_unstable"},
        {"status": "finished"},
        {"stattus": "running"},
    ],
)
def test_a_status_without_grounds_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        document(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"status": "completed", **RESULT},
        {"status": "not_converged", "reason": "Tc moves", **RESULT},
        {"status": "failed", "reason": "scf failed"},
        {"status": "magnetic", "reason": "it has a moment"},
    ],
)
def test_every_status_survives_the_database(fields: dict[str, Any], database: Database) -> None:
    written = document(**fields)
    collection = database.collection(ElectronPhononDocument)
    collection.upsert([written])
    read = collection.get("elph-1")
    assert read is not None
    by_database = {"updated_at", "schema_version"}
    assert read.model_dump_json(exclude=by_database) == written.model_dump_json(exclude=by_database)
    assert read.structure == ALUMINIUM


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(value: float) -> None:
    with pytest.raises(ValidationError):
        CriticalTemperature(method="mcmillan", mu_star=0.1, tc_k=value)


def test_tc_is_that_of_the_method_at_the_smallest_mu_star() -> None:
    found = [
        CriticalTemperature(method="allen_dynes", mu_star=0.13, tc_k=1.0),
        CriticalTemperature(method="mcmillan", mu_star=0.05, tc_k=9.0),
        CriticalTemperature(method="allen_dynes", mu_star=0.10, tc_k=2.0),
        CriticalTemperature(method="migdal_eliashberg", mu_star=0.10, tc_k=None, reason="none down to 1 mK"),
        CriticalTemperature(method="migdal_eliashberg", mu_star=0.16, tc_k=3.0),
    ]
    calculated = document(critical_temperatures=found)
    assert calculated.tc_k("allen_dynes") == 2.0
    assert calculated.tc_k("mcmillan") == 9.0
    assert calculated.tc_k("migdal_eliashberg") is None  # not that of a larger mu*
    assert calculated.tc_k("anisotropic_epw") is None


ARRAYS = {
    "gap_10": np.linspace(0.0, 1.0, 2000) ** 3,
    "path_labels": np.array(["GAMMA", "X", "W|K"]),
    "path_label_indices": np.array([0, 20, 30]),
    "bands_ev": np.arange(12.0).reshape(3, 4) / 7.0,
    "nothing": np.zeros((0, 3)),
}


def test_arrays_come_back_to_the_last_bit() -> None:
    found = unpack_arrays(pack_arrays(ARRAYS))
    assert found.keys() == ARRAYS.keys()
    for name, values in ARRAYS.items():
        assert found[name].dtype == values.dtype
        assert found[name].shape == values.shape
        assert np.array_equal(found[name], values)
    assert unpack_arrays(pack_arrays({})) == {}


def test_same_arrays_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    first = pack_arrays(ARRAYS)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2e9))
    assert pack_arrays(dict(reversed(ARRAYS.items()))) == first
    assert pack_arrays(ARRAYS | {"bands_ev": ARRAYS["bands_ev"] + 1e-15}) != first


def npy(values: np.ndarray, **options: Any) -> bytes:
    target = io.BytesIO()
    np.save(target, values, **options)
    return target.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr(name, content)
    return target.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"PK",
        b"PK\x03\x04",
        npy(np.zeros(3)),
        npy(np.array([object()]), allow_pickle=True),
        zipped("a.npy", npy(np.array([print], dtype=object), allow_pickle=True)),
        zipped("a.npy", b"\x93NUMPY\x01\x00"),
        zipped("a.txt", b"no array"),
    ],
    ids=[
        "nothing",
        "text",
        "begin of a zip",
        "zip header",
        "one array",
        "pickle",
        "object",
        "head of an array",
        "text in a zip",
    ],
)
def test_what_is_no_block_of_arrays_is_refused(content: bytes) -> None:
    with pytest.raises(DatabaseError, match="damaged"):
        unpack_arrays(content)


def test_damage_is_found_wherever_it_is() -> None:
    content = pack_arrays(ARRAYS)
    random = np.random.default_rng(1)
    for end in random.integers(0, len(content), 60):
        with pytest.raises(DatabaseError):
            unpack_arrays(content[:end])
    found_or_harmless = 0
    for place in random.integers(0, len(content), 400):
        damaged = bytearray(content)
        damaged[place] ^= int(random.integers(1, 256))
        try:
            arrays = unpack_arrays(bytes(damaged))
        except DatabaseError:
            found_or_harmless += 1
        else:  # a time stamp or the like: what is read is right
            found_or_harmless += all(np.array_equal(arrays[name], ARRAYS[name]) for name in arrays)
    assert found_or_harmless == 400


def test_a_document_of_the_first_version_keeps_the_states_that_it_knew(database: Database) -> None:
    steps = [
        {"task_id": f"qe-{n}", "k_mesh": [n, n, n], "q_mesh": [n, n, n], "lambda_": 0.4, "omega_log_mev": 20.0}
        | {"tc_k": None, "dos_per_ev": 0.3 + n}
        for n in (2, 4)
    ]
    result = {"status": "completed", "dos_per_ev": 4.3, "mesh_convergence": steps, **RESULT}
    whole = document(**result).to_mongo() | {"schema_version": 1}
    older = copy.deepcopy(whole) | {"elph_id": "elph-2"}
    for step in older["mesh_convergence"]:
        del step["dos_per_ev"]
    stopped = document(elph_id="elph-3", status="insulating", reason="the gap is 1 eV").to_mongo()
    database.raw["electron_phonon"].insert_many([whole, older, stopped | {"schema_version": 1}])
    collection = database.collection(ElectronPhononDocument)
    with pytest.raises(DatabaseError, match="invdesflow db migrate"):
        collection.get("elph-2")
    assert migrate(database) == {"electron_phonon": 3}
    states = {
        found.elph_id: [step.dos_per_ev for step in found.mesh_convergence or []] for found in collection.find({})
    }
    assert states == {"elph-1": [2.3, 4.3], "elph-2": [None, 4.3], "elph-3": []}
    assert migrate(database) == {}


def test_gaps_of_the_second_version_are_told_apart_by_their_reason(database: Database) -> None:
    vanished = "The superconducting gap went to zero: the temperature is above Tc. That is a result."
    unknown = "The Eliashberg equations did not converge although the gap is finite."
    reasons = [(1.0, 0.5, ""), (2.0, 0.42, ""), (2.5, None, unknown), (3.0, None, vanished)]
    gaps = [
        {"task_id": "qe-1", "temperature_k": temperature, "converged": not reason, "reason": reason}
        | dict.fromkeys(("gap_min_mev", "gap_max_mev", "gap_mean_mev"), gap)
        | {"distribution_file": None}
        for temperature, gap, reason in reasons
    ]
    wrong = [{"method": "anisotropic_epw", "mu_star": 0.1, "tc_k": 2.45, "reason": ""}]
    stored = document(status="completed", **RESULT).to_mongo() | {"schema_version": 2}
    database.raw["electron_phonon"].insert_many(
        [
            copy.deepcopy(stored) | {"gaps": gaps, "critical_temperatures": wrong},
            copy.deepcopy(stored) | {"elph_id": "elph-2", "gaps": gaps[:2] + gaps[3:], "critical_temperatures": wrong},
            copy.deepcopy(stored) | {"elph_id": "elph-3", "gaps": gaps[:3], "critical_temperatures": wrong},
        ]
    )
    assert migrate(database) == {"electron_phonon": 3}
    first, as_it_was, without_end = database.collection(ElectronPhononDocument).find({}, sort=[("elph_id", 1)])
    assert [gap.vanished for gap in first.gaps] == [False, False, False, True]
    assert 2.5 < (first.tc_k("anisotropic_epw") or 0.0) < 3.0
    assert as_it_was.tc_k("anisotropic_epw") == 2.45
    assert without_end.tc_k("anisotropic_epw") is None
    assert without_end.critical_temperatures[0].reason == (
        "there is still a gap at 2 K; epw.x did not converge at 2.5 K"
    )
