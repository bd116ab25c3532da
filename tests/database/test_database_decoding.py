"""What the database says is not run: nothing is decoded but what is on the allow-list."""

import json
import os
from copy import deepcopy

import numpy as np
import pytest
from jobflow import Flow, OutputReference
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core import Lattice, Structure

from invdesflow.campaigns.jobs import FinishRoundMaker, LoadSuperconductorsMaker
from invdesflow.campaigns.launching.resources import Assignment, assign
from invdesflow.campaigns.recipes import read_recipe
from invdesflow.database.decoding import decode, refuse_code
from invdesflow.errors import DatabaseError
from invdesflow.settings import default_file, get_settings

SYSTEM = {"@module": "os", "@callable": "system", "@bound": None}
MAKER = {"@module": "invdesflow.campaigns.jobs", "@class": "FinishRoundMaker", "name": "summarise"}


def method(name: str, **owner: object) -> dict[str, object]:
    return {"@module": "invdesflow.campaigns.jobs", "@callable": name, "@bound": MAKER | owner}


FOREIGN = [
    SYSTEM,
    {"@module": "os", "@callable": "system"},
    {"@module": "builtins", "@callable": "eval"},
    {"@module": "subprocess", "@class": "Popen", "args": ["true"]},
    {"@module": "fireworks.core.launchpad", "@class": "LaunchPad"},
    {"@module": "jobflow.core.store", "@class": "JobStore"},
    {"@module": "pandas", "@class": "DataFrame", "data": json.dumps(SYSTEM)},
    {"@module": "torch", "@class": "Tensor"},
    {"@module": "invdesflow.settings", "@callable": "os.system"},
    {"@module": "invdesflow.settings", "@callable": "yaml"},
    {"@module": "invdesflow.settings", "@class": "Path"},
    {"@module": "invdesflow.espresso.processes", "@callable": "run_guarded"},
    {"@module": "invdesflow.database.database", "@class": "Database"},
    {"@module": "invdesflow.no.such.module", "@class": "Anything"},
    {"@module": "invdesflowers", "@class": "Anything"},
    {"@module": "invdesflow..settings", "@class": "Settings"},
    {"@module": ["os"], "@callable": {"system": 1}},
    {"@module": None, "@class": "OutputReference"},
    {"@class": "OutputReference"},
    method("FinishRoundMaker.__init__"),
    method("FinishRoundMaker.as_dict"),
    method("FinishRoundMaker.make.original"),
    method("FinishRoundMaker.make.__globals__"),
    method("make"),
    {"@module": "invdesflow.campaigns.jobs", "@callable": "FinishRoundMaker.__init__", "@bound": None},
    {"@module": "invdesflow.campaigns.jobs", "@callable": "SummaryBuilder.run_here", "@bound": None},
    {"@module": "invdesflow.campaigns.jobs", "@callable": "FinishRoundMaker.make.original", "@bound": None},
    method("FinishRoundMaker.make", **{"@module": "os", "@class": "_Environ"}),
    {"@module": "os", "@callable": "FinishRoundMaker.make", "@bound": SYSTEM},
    {"@module": "jobflow.core.job", "@callable": "store_inputs", "@bound": SYSTEM},
    {"@module": "jobflow.core.job", "@callable": "job", "@bound": None},
]


@pytest.mark.parametrize("data", FOREIGN, ids=str)
@pytest.mark.parametrize("within", ["alone", "in a list", "deep", "beside what is allowed"])
def test_foreign_names_are_refused(data, within):
    whole = {
        "alone": data,
        "in a list": [1, [data]],
        "deep": {"a": {"b": [{"c": (data,)}]}},
        "beside what is allowed": MAKER | {"@class": "FinishRoundMaker", "campaign": data},
    }[within]
    with pytest.raises(DatabaseError, match="is not decoded") as raised:
        decode(whole)
    assert "\n" not in str(raised.value)


def test_the_danger_is_real():
    assert MontyDecoder().process_decoded(SYSTEM) is os.system


def test_a_very_deep_document_is_looked_at_to_the_bottom():
    data: object = SYSTEM
    for _ in range(50_000):
        data = [data]
    with pytest.raises(DatabaseError, match=r"os\.system"):
        refuse_code(data)


def test_a_property_of_a_site_is_looked_at():
    crystal = Structure(Lattice.cubic(3.3), ["Nb"], [[0, 0, 0]], site_properties={"what": [1]}).as_dict()
    assert decode(deepcopy(crystal))[0].properties == {"what": 1}
    crystal["sites"][0]["properties"]["what"] = SYSTEM
    with pytest.raises(DatabaseError, match=r"os\.system"):
        decode(crystal)


@pytest.mark.parametrize(
    "file", sorted(default_file("flows/discovery.yaml").parent.glob("*.yaml")), ids=lambda file: file.stem
)
def test_jobs_of_every_recipe_come_through(file):
    flow = read_recipe(file).maker.make("a", 0)
    assign(flow, Assignment(priority=1.0))  # which notes the jobs that it is about
    for job, _ in flow.iterflow():
        again = decode(json.loads(json.dumps(job.as_dict())))
        assert (again.maker, again.function.__name__) == (job.maker, job.function.__name__)
    assert decode(json.loads(json.dumps(flow, cls=MontyEncoder))).job_uuids == flow.job_uuids


def test_a_flow_that_replaces_a_job_comes_through():
    load = LoadSuperconductorsMaker().make()
    finish = FinishRoundMaker().make("a", 0, [load.output])
    inner = Flow([load, finish], output=finish.output)
    assert isinstance(decode(json.loads(json.dumps(finish.output, cls=MontyEncoder))), OutputReference)
    assert decode(json.loads(json.dumps(inner, cls=MontyEncoder))).output.uuid == finish.uuid
    store_inputs = {"@module": "jobflow.core.job", "@callable": "store_inputs", "@bound": None}
    assert decode(store_inputs).__name__ == "store_inputs"


def test_values_come_through():
    values = {"array": np.arange(3.0), "crystal": Structure(Lattice.cubic(3.3), ["Nb"], [[0, 0, 0]])}
    again = decode(json.loads(json.dumps(values, cls=MontyEncoder)))
    assert again["array"].tolist() == [0, 1, 2]
    assert again["crystal"] == values["crystal"]


def test_modules_of_the_user(monkeypatch):
    mine = {"@module": "timed_jobs_of_mine.makers", "@callable": "step", "@bound": None}
    other = {"@module": "jobflow.core.job", "@callable": "job", "@bound": None}
    monkeypatch.syspath_prepend(os.fspath(get_settings().data_dir))
    package = get_settings().data_dir / "timed_jobs_of_mine"
    package.mkdir(parents=True)
    (package / "makers.py").write_text("import os\nfrom jobflow import job\n\n@job\ndef step():\n    return 1\n")
    with pytest.raises(DatabaseError, match="job_modules"):
        decode(mine)
    monkeypatch.setenv("INVDESFLOW_JOB_MODULES", "another, timed_jobs_of_mine")
    get_settings.cache_clear()
    assert decode(mine).original() == 1
    for refused in (other, mine | {"@callable": "os"}, mine | {"@callable": "os.system"}):
        with pytest.raises(DatabaseError):
            decode(refused)


def test_a_poisoned_output_is_not_resolved(database):
    store = database.job_store()
    store.connect()
    outputs = database.raw[database.store_file.docs_store.collection_name]
    for number, output in enumerate((SYSTEM, {"a": [SYSTEM]}, {"@class": "OutputReference", "output_schema": SYSTEM})):
        outputs.insert_one({"uuid": f"u{number}", "index": 1, "output": output})
        with pytest.raises(DatabaseError, match=r"os\.system|OutputReference"):
            OutputReference(f"u{number}").resolve(store)
        with pytest.raises(DatabaseError):
            store.get_output(f"u{number}", load=True)


def test_a_poisoned_blob_is_not_resolved(database):
    store = database.job_store()
    store.connect()
    store.update({"uuid": "u", "index": 1, "output": {"big": [SYSTEM]}}, save={"data": ["big"]})
    assert store.get_output("u")["big"]["blob_uuid"]
    with pytest.raises(DatabaseError, match=r"os\.system"):
        store.get_output("u", load=True)
