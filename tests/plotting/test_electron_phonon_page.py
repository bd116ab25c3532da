import json

import pytest
import synthetic_coupling as synthetic
from test_report import HOSTILE, Page

from invdesflow.plotting.electron_phonon_facts import coupling_facts, headline_tc
from invdesflow.plotting.electron_phonon_page import electron_phonon_page
from invdesflow.plotting.mesh_convergence import mesh_text

SECTIONS = ["tc", "coupling", "phonons", "electrons", "gap", "convergence", "structure", "cost", "settings"]
NOTHING = {
    "phonons": None,
    "wannier": None,
    "mesh_convergence": None,
    "dos_per_ev": None,
    "lambda_": None,
    "omega_log_mev": None,
    "omega_2_mev": None,
    "critical_temperatures": [],
    "gaps": [],
    "arrays": None,
    "cost": [],
    "core_hours": None,
}


def words(page):
    return " ".join(" ".join(page.text).split())


@pytest.fixture(scope="module")
def page():
    return Page(electron_phonon_page(synthetic.document(), synthetic.arrays()))


def test_every_section_and_every_figure(page):
    assert [name for name in page.ids if name in SECTIONS] == SECTIONS
    assert len(page.ids) == len(set(page.ids))
    placeholders = [value for name, value in page.attributes if name == "data-figure"]
    assert sorted(placeholders) == sorted(page.figures)
    assert set(page.figures) == {"structure", "bands", "phonons", "alpha2f", "gap", "tc", "convergence"}


def test_loads_nothing_from_elsewhere(page):
    assert not [value for name, value in page.attributes if name in ("src", "href")]
    assert len(page.code) == 2


def test_figures_are_as_wide_as_the_page(page):
    assert not [name for name, figure in page.figures.items() if "width" in figure["layout"]]


def test_facts():
    facts = dict(coupling_facts(synthetic.document()))
    assert facts["Status"] == "completed"
    assert facts["Pressure"] == "5 GPa"
    assert facts["q-mesh"] == f"{mesh_text((4, 4, 4))}, 10 irreducible"
    assert facts["Finest meshes"] == f"k {mesh_text((24, 24, 24))}, q {mesh_text((12, 12, 12))}"
    assert facts["Wannier functions"].startswith("scdm; 8.5 meV")
    assert facts["Corrections"] == "2 by error handlers"
    assert "Band gap" not in facts


def test_a_protocol_with_other_settings_is_not_called_by_its_name_alone():
    changed = synthetic.document(changed_settings={"ecutwfc_ry": 30.0})
    facts = dict(coupling_facts(changed))
    assert facts["Protocol"] == f"{changed.protocol}, changed"
    assert facts["Changed settings"] == "ecutwfc_ry = 30.0"
    assert f"Protocol {changed.protocol}, changed" in words(Page(electron_phonon_page(changed, synthetic.arrays())))


def test_numbers_are_shown(page):
    text = words(page)
    for number in ("0.800", "30.30 meV", "4.200", "35.40 meV", "7.5 K", "2.093", "8.4", "21.0", "6.7 min"):
        assert number in text


def test_headline_is_of_the_most_complete_theory():
    document = synthetic.document()
    assert headline_tc(document).method == "anisotropic_epw"
    isotropic = document.model_copy(update={"critical_temperatures": document.critical_temperatures[:-1]})
    assert (headline_tc(isotropic).method, headline_tc(isotropic).mu_star) == ("migdal_eliashberg", 0.1)
    assert headline_tc(document.model_copy(update={"critical_temperatures": []})) is None


def test_unstable_crystal_shows_its_modes():
    page = Page(electron_phonon_page(*synthetic.unstable()))
    assert set(page.figures) == {"structure", "phonons"}
    text = words(page)
    assert "Dynamically unstable" in text
    assert "1 mode is imaginary beyond 30 cm-1." in text
    assert "0.5000, 0.5000, 0.0000" in text
    assert "120.0 i" in text
    assert [name for name in page.ids if name in SECTIONS] == SECTIONS


@pytest.mark.parametrize(
    ("status", "reason"),
    [("insulating", "The gap is 2.1 eV."), ("magnetic", "1.2 Bohr magnetons."), ("failed", "no"), ("running", "")],
)
def test_every_status_has_a_page_without_invented_numbers(status, reason):
    document = synthetic.document(status=status, reason=reason, **NOTHING)
    page = Page(electron_phonon_page(document, {}))
    assert set(page.figures) == {"structure"}
    assert reason in words(page)
    assert not {"None", "nan"} & {word.strip() for word in page.text}


def test_hostile_names_are_text():
    document = synthetic.document(
        status="not_converged", reason=HOSTILE, protocol=HOSTILE, reduced_formula=HOSTILE, settings={HOSTILE: HOSTILE}
    )
    document.wannier[0].choice = document.gaps[3].reason = document.cost[0].step = HOSTILE
    arrays = synthetic.arrays()
    arrays["path_labels"] = arrays["path_labels"].astype("U40")
    arrays["path_labels"][1] = HOSTILE
    page = Page(electron_phonon_page(document, arrays))
    assert len(page.code) == 2
    assert "alert(1)" not in "".join(page.code)
    assert sum(HOSTILE in text for text in page.text) >= 7
    assert "<script" not in json.dumps(page.figures)


def test_same_document_same_page():
    document = synthetic.document()
    arrays = synthetic.arrays()
    assert electron_phonon_page(document, arrays) == electron_phonon_page(document, arrays)
