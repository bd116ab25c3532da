"""The figures and the page of intercalation studies, on numbers that are known."""

import json
import re

import numpy as np
import pytest
import synthetic_study as synthetic

from invdesflow.cli.intercalate import _rows
from invdesflow.intercalation.documents import CouplingChange
from invdesflow.intercalation.ranking import ranked_pairs
from invdesflow.plotting.files import write_figure
from invdesflow.plotting.intercalation_map import best_pair, guest_name, host_guest_map
from invdesflow.plotting.intercalation_modes import gamma_modes_figure
from invdesflow.plotting.intercalation_page import study_figures, study_page
from invdesflow.plotting.intercalation_pairs import bands_side_by_side, coupling_split_figure, side_by_side
from invdesflow.plotting.intercalation_table import missing_values, study_rows


@pytest.fixture(scope="module")
def studies():
    return synthetic.studies()


@pytest.fixture(scope="module")
def calculations():
    return synthetic.calculations()


@pytest.fixture(scope="module")
def bands():
    return synthetic.potential_bands()


@pytest.fixture(scope="module")
def page(studies, calculations, bands):
    return study_page(studies, calculations, bands)


def texts(html):
    """What a reader sees outside scripts."""
    body = re.sub(r"<script.*?</script>|<style>.*?</style>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", body))


def test_map_tells_known_unknown_and_untried_apart(studies):
    figure = host_guest_map(studies)
    heat, unknown = figure.data
    assert list(heat.x) == ["Li", "Al", "Ga", "In"]
    rows = {name: number for number, name in enumerate(figure.layout.yaxis.ticktext)}
    copper, silver = heat.z[rows["K<sub>2</sub>CuH<sub>6</sub>"]], heat.z[rows["Na<sub>2</sub>AgH<sub>6</sub>"]]
    np.testing.assert_allclose(copper, [24.0, np.nan, 52.0, np.nan])
    np.testing.assert_allclose(silver, [-9.0, 5.0, np.nan, np.nan])
    assert heat.zmax == -heat.zmin == pytest.approx(52.0)
    assert [list(row) for row in heat.text][rows["K<sub>2</sub>CuH<sub>6</sub>"]] == ["~+24", "", "+52", ""]
    assert list(unknown.x) == ["In"]
    assert "&lt;b&gt;" in unknown.customdata[0]


def test_best_pair_of_a_guest_is_the_first_in_rank(studies):
    assert best_pair(studies[0], "Ga").formula == "K2GaCuH6"
    assert best_pair(studies[0], "Al") is None
    half = (
        studies[0]
        .pairs[0]
        .model_copy(
            update={"pair": studies[0].pairs[0].pair.model_copy(update={"guests": {"Ga": 2, "Li": 1}, "filling": 0.5})}
        )
    )
    assert guest_name(half) == "Ga2+Li 0.5"


def test_pairs_are_ranked_by_what_they_gain(studies):
    assert [pair.formula for _, pair in ranked_pairs(studies)] == [
        "K2GaCuH6",
        "K2LiCuH6",
        "Na2AlAgH6",
        "Na2LiAgH6",
        "K2InCuH6",
    ]


def test_modes_are_joined_to_what_they_become(studies):
    change = studies[0].pairs[0].phonons
    figure = gamma_modes_figure(change, "K2CuH6", "K2GaCuH6")
    levels = [trace for trace in figure.data if trace.line.dash is None]
    joints = [trace for trace in figure.data if trace.line.dash == "dot"]
    assert len(levels) == len(joints) == len(change.modes)
    breathing = [trace for trace in levels if trace.name.startswith("breathing")]
    assert [list(trace.y) for trace in breathing] == [[24.6, 24.6, None, pytest.approx(-9.84), pytest.approx(-9.84)]]
    assert min(trace.opacity for trace in joints) == pytest.approx(0.55)
    assert figure.layout.yaxis.range[0] < -9.84
    assert len(figure.layout.shapes) == 1  # the region of imaginary modes
    stable = gamma_modes_figure(studies[0].pairs[1].phonons, "K2CuH6", "K2LiCuH6")
    assert len(stable.layout.shapes) == 0


def test_table_sets_host_and_guests_side_by_side(studies):
    pairs = studies[0].pairs
    rows = {(row.group, str(row.name)): row for row in study_rows(studies[0], pairs)}
    lattice = rows["Crystal", "<i>a</i>"]
    assert (lattice.host, lattice.unit) == ("7.344", "Å")
    assert [(cell.value, cell.difference) for cell in lattice.cells] == [("7.452", "+0.108")] * 2 + [("", "")]
    assert lattice.cells[2].reason == synthetic.IMAGINARY
    coupled = rows["First principles", "λ"]
    assert (coupled.host, coupled.cells[0].value, coupled.cells[0].difference) == ("0.600", "1.900", "+1.300")
    assert coupled.cells[1].reason == synthetic.NOT_ASKED
    assert rows["Energy", "intercalation"].host == ""
    assert rows["Energy", "above the hull, at least"].cells[0].difference == "+0.115"
    assert rows["Crystal", "Cu-H"].cells[0].difference == "+0.280"
    published = rows["Published", "<i>T</i><sub>c</sub>"]
    assert (published.host, [cell.value for cell in published.cells]) == ("16 / 18", ["68", "53", ""])


def test_what_is_missing_says_why(studies):
    found = {(one.formula, one.group): one for one in missing_values(studies[0].pairs)}
    assert found["K2InCuH6", "Crystal"].reason == synthetic.IMAGINARY
    assert found["K2LiCuH6", "First principles"].reason == synthetic.NOT_ASKED
    assert ("K2GaCuH6", "Energy") not in found


def test_host_and_guest_have_equal_axes_colours_and_scales(calculations):
    found = side_by_side(*calculations.values())
    assert set(found) == {"phonons", "alpha2f", "gap"}
    host, guest = found["alpha2f"]
    assert host.layout.yaxis.range == guest.layout.yaxis.range
    assert host.layout.yaxis2.range == guest.layout.yaxis2.range
    assert host.layout.xaxis.range == guest.layout.xaxis.range
    host, guest = found["phonons"]
    assert host.layout.yaxis.range == guest.layout.yaxis.range
    assert host.layout.xaxis.range == guest.layout.xaxis.range  # equal cells; the paths keep their own ticks
    colours = [{trace.name: trace.line.color for trace in figure.data if trace.fill} for figure in (host, guest)]
    assert {name: colours[1][name] for name in colours[0]} == colours[0]
    dots = [next(trace for trace in figure.data if trace.marker.size is not None) for figure in (host, guest)]
    assert dots[0].marker.cmax == dots[1].marker.cmax


def test_bands_with_the_potential_have_equal_axes_and_no_coupling(bands):
    host, guest = bands_side_by_side(bands["ph-K2CuH6"], bands["ph-K2GaCuH6"])
    assert host.layout.yaxis.range == guest.layout.yaxis.range
    assert not any(trace.mode == "markers" for trace in host.data)
    assert {"K", "Cu", "H"} <= {trace.name for trace in host.data}
    assert bands_side_by_side(bands["ph-K2CuH6"], (bands["ph-K2CuH6"][0], {}))[1] is None


def test_figures_of_a_calculation_that_stopped_are_left_out(calculations):
    (host, its), _ = calculations.values()
    found = side_by_side((host, its), (host, {}))
    assert found["phonons"][0] is not None
    assert found["phonons"][1] is None


def test_bars_of_lambda_add_up(studies):
    change = studies[0].pairs[0].coupling
    figure = coupling_split_figure(change, "K2CuH6", "K2GaCuH6")
    totals = {}
    for trace in figure.data:
        for name, value in zip(trace.y, trace.x, strict=True):
            totals[name] = totals.get(name, 0.0) + (value or 0.0)
    assert sorted(totals.values()) == pytest.approx([0.6, 0.6, 1.9, 1.9], rel=1e-3)


def test_page_holds_every_figure_and_loads_nothing(page, studies, calculations, bands):
    names = set(study_figures(studies, calculations, bands))
    assert {"map", "modes-0-0", "split-0-0", "phonons-host-0-0", "gap-guest-0-0", "modes-1-1"} <= names
    assert {"bands-host-0-0", "bands-guest-0-0", "bands-host-0-1", "bands-guest-0-1"} <= names
    assert "bands-guest-0-2" not in names  # its phonons failed
    assert set(re.findall(r'id="figure-([^"]+)"', page)) == names
    assert set(re.findall(r'data-figure="([^"]+)"', page)) == names
    for content in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, flags=re.DOTALL):
        assert json.loads(content)["data"]
    assert "://" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_page_says_what_is_predicted_missing_and_doubtful(page):
    seen = texts(page)
    assert "+52 K" in seen
    assert "first principles" in seen
    assert "predicted" in seen
    assert synthetic.NOT_ASKED in seen
    assert "Tc is 16 K in Table I and 18 K in the text." in seen
    assert "2.3 % off" in seen
    assert "≥ 0.135" in seen  # some chemical systems have no competitor
    assert "<b>InCuH6" not in page  # names from documents are text
    assert "K2&lt;b&gt;InCuH6" in page


def test_an_unstable_crystal_has_no_gain_whatever_was_predicted():
    """A prediction of +130 K, and first principles that found imaginary modes."""
    found = CouplingChange.missing("K2GaCuH6: 3 imaginary modes.", "completed", "dynamically_unstable")
    doomed = synthetic.pair("K2CuH6", "Ga", "K2GaCuH6", (20.0, 150.0), coupled=found)
    study = synthetic.study("K2CuH6", [doomed, synthetic.pair("K2CuH6", "Li", "K2LiCuH6", (20.0, 44.0))])
    assert [pair.formula for pair in study.pairs] == ["K2LiCuH6", "K2GaCuH6"]
    assert (doomed.verified, doomed.tc_k.difference) == (True, None)
    seen = texts(study_page([study]))
    assert "2 crystals with guests, 1 from first principles" in seen
    assert "+24 K" in seen
    assert "+130 K" not in seen
    assert "first principles: dynamically unstable" in seen
    assert "1 without a gain" in seen
    [crossed] = host_guest_map([study]).data[1].customdata
    assert crossed == "K2GaCuH6: from first principles: dynamically unstable"
    assert [row["source"] for row in _rows([study])] == ["predicted", "first principles: dynamically unstable"]


def test_what_has_not_converged_is_said_wherever_its_gain_is(studies):
    settled = studies[0].pairs[0]
    changes = {"guest_status": "not_converged", "doubts": ["K2GaCuH6: Tc still changes with the mesh."]}
    doubtful = settled.model_copy(update={"coupling": settled.coupling.model_copy(update=changes)})
    assert (settled.basis, doubtful.basis) == ("first principles", "first principles, not converged")
    study = synthetic.study("K2CuH6", [doubtful])
    seen = texts(study_page([study]))
    assert "Not converged: K2GaCuH6: Tc still changes with the mesh." in seen
    assert seen.count("first principles, not converged") == 2  # the tile of the best pair, and the ranking
    assert "first principles, not converged" in str(host_guest_map([study]).data[0].customdata)
    assert [row["source"] for row in _rows([study])] == ["first principles, not converged"]


def test_page_of_one_host_before_first_principles(studies):
    page = study_page(studies[1:], top=1)
    assert "figure-modes-0-0" in page
    assert "figure-modes-0-1" not in page
    assert "other 1 crystals" in texts(page)


@pytest.mark.slow
def test_figures_can_be_printed(tmp_path, browser, studies):
    for name in ("png", "pdf"):
        path = tmp_path / f"map.{name}"
        write_figure(host_guest_map(studies), path)
        assert path.stat().st_size > 5000
