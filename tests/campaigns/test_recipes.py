import json
from pathlib import Path

import pytest
from jobflow import Flow
from monty.json import MontyDecoder, jsanitize

from invdesflow.campaigns.flows import CAMPAIGN_MAKERS, DiscoveryMaker
from invdesflow.campaigns.recipes import Recipe, read_recipe, recipe_schema
from invdesflow.cli.intercalate import campaign_name
from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.conditions import Conditions
from invdesflow.generation.diffusion.jobs import GenerateMaker
from invdesflow.generation.diffusion.sampling import SamplerSettings
from invdesflow.generation.gates import GateSettings

ROOT = Path(__file__).parents[2]


def write(folder: Path, text: str) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("file", sorted((ROOT / "flows").glob("*.yaml")), ids=lambda file: file.name)
def test_shipped_recipes_are_valid(file):
    assert type(read_recipe(file).maker).__name__ in CAMPAIGN_MAKERS


def test_parameters_reach_the_maker(tmp_path):
    recipe = read_recipe(
        write(
            tmp_path,
            "campaign: a\nmaker: DiscoveryMaker\n"
            "parameters: {substitute: {n_candidates: 7, gates: {max_sites: 12}}, relax: {settings: {fmax: 0.05}},"
            " generate: {conditions: {elements: [K, Ga, Cu, H], tc_k: 20}, sampler: {steps: 30}}}",
        )
    )
    assert recipe.maker.generate.conditions.elements == ("K", "Ga", "Cu", "H")
    assert recipe.maker.generate.sampler.steps == 30
    assert recipe.parameters()["generate"]["conditions"]["tc_k"] == 20.0
    assert recipe.maker.substitute.n_candidates == 7
    assert recipe.maker.substitute.gates.max_sites == 12
    assert recipe.maker.relax.settings.fmax == 0.05
    assert recipe.maker.relax.settings.keep_symmetry is True
    assert recipe.parameters()["substitute"]["gates"]["max_sites"] == 12


def test_defaults_are_those_of_the_maker(tmp_path):
    recipe = read_recipe(write(tmp_path, "campaign: a\nmaker: DiscoveryMaker\n"))
    assert recipe.maker == DiscoveryMaker()


def test_a_source_can_be_switched_off(tmp_path):
    recipe = read_recipe(write(tmp_path, "campaign: a\nmaker: DiscoveryMaker\nparameters: {generate: null}\n"))
    assert recipe.maker.generate is None
    assert recipe.parameters()["generate"] is None
    names = [job.name for job in recipe.maker.make("a", 0).jobs]
    assert names == ["load superconductors", "substitute", "relax", "screen", "phonons", "summarise"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "campaign: a\nmaker: DiscoveryMaker\nparameters: {generate: null, substitute: null}",
            "generate and substitute are both switched off",
        ),
        ("campaign: a\nmaker: DiscoveryMaker\nparameters: {relax: null}", "relax"),
        (
            "campaign: a\nmaker: DiscoveryMaker\nparameters: {generate: {conditions: {elements: [Xx]}}}",
            "generate.conditions.elements",
        ),
        ("campaign: a\nmaker: DiscoveryMaker\nparameters: {generate: {sampler: {steps: 1}}}", "generate.sampler.steps"),
        ("campaign: a\nmaker: DiscoveryMaker\nparameters: {substitute: {n_candidate: 7}}", "substitute.n_candidate"),
        ("campaign: a\nmaker: DiscoveryMaker\nparameters: {relax: {settings: {fmax: -1}}}", "relax.settings.fmax"),
        ("campaign: a\nmaker: DiscoveryMaker\nparameters: {relax: {potential: EMT}}", "relax.potential"),
        ("campaign: a\nmaker: os.system\n", "not a campaign maker"),
        ("campaign: a\nmaker: DiscoveryMaker\ncommand: ls\n", "command"),
        ("campaign: a/../b\nmaker: DiscoveryMaker\n", "campaign name"),
        ("maker: DiscoveryMaker\n", "needs the keys"),
        ("- a\n", "not a YAML mapping"),
        ("campaign: [\n", "not YAML"),
        ("campaign: !!python/object/apply:os.system [ls]\n", "not YAML"),
        (
            "campaign: a\nmaker: DiscoveryMaker\n"
            "parameters: {relax: {'@module': os, '@callable': system, '@class': system}}",
            "@module",
        ),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path, text, message):
    with pytest.raises(ConfigurationError) as failure:
        read_recipe(write(tmp_path, text))
    assert message in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("name", ["a/b", "../../x", "..", ".hidden", "", "x" * 65, "line\n", 7])
def test_a_campaign_cannot_be_called_what_is_no_name_of_a_folder(name):
    with pytest.raises(ConfigurationError, match=r"The campaign name .* cannot be used"):
        Recipe(name, DiscoveryMaker())


def test_files_of_one_name_are_not_one_campaign():
    one, other = (campaign_name([f"{folder}/POSCAR"], None, {"hosts": folder}) for folder in "ab")
    assert one != other
    assert one == campaign_name(["a/POSCAR"], None, {"hosts": "a"})
    for name in (one, campaign_name(["é" * 90], None, {})):
        assert Recipe(name, DiscoveryMaker()).campaign.startswith("intercalation-")


def test_missing_file(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_recipe(tmp_path / "none.yaml")


def test_schema_describes_nested_parameters_and_forbids_others():
    schema = recipe_schema(DiscoveryMaker)
    assert schema["additionalProperties"] is False
    assert "n_candidates" in json.dumps(schema)


def test_makers_survive_the_way_through_fireworks():
    # This is what jobflow's JobFiretask does, and what a worker does with it.
    maker = DiscoveryMaker()
    maker.substitute.n_candidates = 5
    maker.generate = GenerateMaker(
        n_candidates=6,
        model="model.safetensors",
        conditions=Conditions(required_elements=("B", "C"), excluded_elements=("O",), tc_k=20.0, n_atoms=4),
        sampler=SamplerSettings(steps=30, composed_share=0.5),
        gates=GateSettings(max_sites=12),
    )
    for job in maker.make("a", 0).jobs:
        stored = json.loads(json.dumps(jsanitize(job.as_dict())))
        assert MontyDecoder().process_decoded(stored).maker == job.maker


def test_the_flow_closes_the_round_last():
    flow = DiscoveryMaker().make("a", 3)
    assert isinstance(flow, Flow)
    assert [job.name for job in flow.jobs] == [
        *("load superconductors", "generate", "substitute"),
        *("relax", "screen", "phonons", "summarise"),
    ]
    order = [job.name for job, _ in flow.iterflow()]
    assert order == [job.name for job in flow.jobs]
