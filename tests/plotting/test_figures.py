import pytest
from synthetic_campaign import campaign, summaries_and_structures

from invdesflow.database.campaign import RoundRecord
from invdesflow.database.stages import StageRecord
from invdesflow.errors import ConfigurationError
from invdesflow.plotting.chemical_space import element_shares, periodic_table_figure, space_group_figure
from invdesflow.plotting.facts import flat_parameters, recipe_thresholds
from invdesflow.plotting.files import write_figure
from invdesflow.plotting.funnel import funnel_figure, funnel_rows
from invdesflow.plotting.origins import NEAR_HULL_EV_PER_ATOM, origin_figure, origin_rows, yield_figure
from invdesflow.plotting.ranking import top_candidates
from invdesflow.plotting.tc_vs_hull import drawable, tc_vs_hull_figure
from invdesflow.screening.gates import Thresholds


@pytest.fixture(scope="module")
def summaries():
    return summaries_and_structures()[0]


def a_round(*stages):
    return RoundRecord(number=0, maker={}, stages=list(stages))


def a_stage(name, entered, passed, **rejected):
    return StageRecord(stage=name, entered=entered, passed=passed, rejected=rejected, seconds=1.0)


def flows(figure):
    """Return what flows into and out of every node of a Sankey diagram, by the node's name."""
    sankey = figure.data[0]
    names = [label.split("  ")[0] for label in sankey.node.label]
    into, out = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for source, target, value in zip(sankey.link.source, sankey.link.target, sankey.link.value, strict=True):
        out[names[source]] += value
        into[names[target]] += value
    return into, out


def test_funnel_adds_up_to_the_candidates(summaries):
    rows = funnel_rows(campaign(summaries).rounds[-1])
    into, out = flows(funnel_figure(rows))
    for kind in ("diffusion", "substitution"):
        assert out[f"proposed by {kind}"] == sum(s.origins == [kind] for s in summaries)
    assert into["passed screening"] == sum(s.stage == "screened" and not s.rejected for s in summaries)
    for gate, label in {"duplicate": "duplicate", "tc": "predicted Tc", "not_converged": "not converged"}.items():
        assert into[label] == sum(s.rejection_gate == gate for s in summaries)
    for middle in ("valid and new", "relaxed"):
        assert into[middle] == out[middle]
    ends = sum(value for name, value in into.items() if out[name] == 0)
    assert ends == len(summaries)


def test_funnel_shows_what_has_no_reason():
    (row,) = funnel_rows(a_round(a_stage("relax", 10, 6, timeout=3)))
    assert row.losses == (("timeout", 3), ("no result recorded", 1))


def test_funnel_does_not_draw_overlapping_reasons_as_a_partition():
    rows = funnel_rows(a_round(a_stage("screen", 10, 6, tc=4, e_above_hull=3)))
    assert rows[0].overlapping
    into, _ = flows(funnel_figure(rows))
    assert into == {"proposed": 0, "passed screening": 6, "rejected": 4}


def test_sources_of_the_funnel_share_their_losses_and_their_accepted():
    generate = a_stage("generate", 20, 6, contact=11, volume=3)
    rows = funnel_rows(a_round(generate, a_stage("substitute", 9, 4, contact=5), a_stage("relax", 10, 10)))
    into, out = flows(funnel_figure(rows))
    assert (out["proposed by diffusion"], out["proposed by substitution"]) == (20, 9)
    assert (into["contact"], into["volume"]) == (16, 3)
    assert into["valid and new"] == out["valid and new"] == 10
    labels = funnel_figure(rows).data[0].node.label
    assert labels.count("contact  <b>16</b>") == 1


def test_funnel_balances_stages_that_do_not_join():
    rows = funnel_rows(
        a_round(a_stage("substitute", 10, 8, novelty=2), a_stage("relax", 12, 12), a_stage("screen", 5, 5))
    )
    into, out = flows(funnel_figure(rows))
    assert out["from earlier rounds"] == 4
    assert into["not taken further"] == 7
    assert into["valid and new"] == out["valid and new"] == 12


def test_tc_against_hull_draws_every_candidate_that_has_both(summaries):
    figure = tc_vs_hull_figure(summaries)
    drawn = sorted((x, y) for trace in figure.data for x, y in zip(trace.x, trace.y, strict=True))
    expected = [(s.e_above_hull_ev_per_atom, s.tc_k) for s in summaries]
    assert drawn == sorted(pair for pair in expected if None not in pair)
    assert len(drawn) == len(drawable(summaries))
    assert not figure.layout.shapes


def test_pass_region_is_that_of_the_recipe(summaries):
    thresholds = recipe_thresholds(campaign(summaries).rounds[-1].maker)
    (region,) = tc_vs_hull_figure(summaries, thresholds).layout.shapes
    inside = [s for s in drawable(summaries) if s.tc_k >= region.y0 and s.e_above_hull_ev_per_atom <= region.x1]
    assert sorted(s.candidate_id for s in inside) == sorted(
        s.candidate_id for s in summaries if s.stage == "screened" and not s.rejected
    )
    assert region.y1 > max(s.tc_k for s in inside)


def test_pass_region_is_open_where_there_is_no_threshold(summaries):
    only_hull = Thresholds(tc_k=None, e_above_hull_ev_per_atom=0.1)
    (region,) = tc_vs_hull_figure(summaries, only_hull).layout.shapes
    assert (region.y0, region.x1) == (0.0, 0.1)
    (region,) = tc_vs_hull_figure(summaries, Thresholds(tc_k=7, e_above_hull_ev_per_atom=None)).layout.shapes
    assert (region.y0, region.xref, region.x1) == (7, "x domain", 1)
    assert not tc_vs_hull_figure(summaries, Thresholds(tc_k=None, e_above_hull_ev_per_atom=None)).layout.shapes


def test_axes_have_units(summaries):
    rows = origin_rows(summaries)
    for figure, axes in (
        (tc_vs_hull_figure(summaries), ("(eV/atom)", "(K)")),
        (space_group_figure(summaries), ("(number)", "number of")),
        (origin_figure(rows), ("(K)", None)),
        (yield_figure(rows), (None, "(%)")),
    ):
        for axis, unit in zip((figure.layout.xaxis, figure.layout.yaxis), axes, strict=True):
            assert unit is None or unit in axis.title.text


def test_thresholds_are_absent_when_the_recipe_has_none():
    assert recipe_thresholds({"screen": {"thresholds": {"tc_k": 5.0}}, "relax": {}}) is None


def test_parameters_are_flat():
    assert flat_parameters({"a": {"b": 1, "c": [1, "x"]}, "d": None, "e": {}}) == [
        ("a.b", "1"),
        ("a.c", "1, x"),
        ("d", "not set"),
        ("e", "{}"),
    ]


def test_element_shares_count_candidates(summaries):
    shares = element_shares(summaries)
    assert shares["H"] == sum("H" in s.elements for s in summaries) / len(summaries)
    heatmap = periodic_table_figure(summaries).data[0]
    cells = dict(zip(zip(heatmap.x, heatmap.y, strict=True), heatmap.z, strict=True))
    assert len(cells) == 103
    assert cells[1, 1] == pytest.approx(100 * shares["H"])
    assert cells[14, 2] == pytest.approx(100 * shares["C"])
    assert cells[18, 1] is None


def test_space_groups_add_up(summaries):
    bars = {bar.name: sum(bar.y) for bar in space_group_figure(summaries).data}
    assert sum(bars.values()) == len(summaries)
    assert bars["passed every gate"] == sum(s.stage == "screened" and not s.rejected for s in summaries)


def test_origins_count_a_candidate_of_two_sources_twice(summaries):
    twice = summaries[0].model_copy(update={"origins": ["diffusion", "substitution"]})
    rows = {row.origin: row for row in origin_rows([twice, *summaries[1:]])}
    assert sum(row.proposed for row in rows.values()) == len(summaries) + 1
    assert rows["diffusion"].proposed == sum("diffusion" in s.origins for s in [twice, *summaries[1:]])


def test_every_crystal_of_an_origin_is_refused_by_one_gate_or_accepted(summaries):
    unconverged = {
        "stage": "generated",
        "rejected": True,
        "rejection_gate": "relaxation",
        "relaxation_converged": False,
    }
    rows = origin_rows([*summaries, summaries[0].model_copy(update=unconverged | {"origins": ["diffusion"]})])
    stages = {s.stage: s for s in campaign(summaries).rounds[-1].stages}
    for row, stage, extra in zip(rows, ("substitute", "generate"), (0, 1), strict=True):
        assert row.proposed == row.accepted + sum(count for _, count in row.refused)
        assert row.accepted == stages[stage].passed + extra  # one that did not relax was accepted all the same
        assert dict(row.refused) == {name.replace("_", " "): count for name, count in stages[stage].rejected.items()}


def test_origins_say_how_many_are_near_a_hull_and_how_complete_it_is(summaries):
    for row in origin_rows(summaries):
        own = [s for s in summaries if s.origins == [row.origin] and s.e_above_hull_ev_per_atom is not None]
        assert len(row.hull_ev_per_atom) == len(own)
        assert row.near_hull == sum(s.e_above_hull_ev_per_atom < NEAR_HULL_EV_PER_ATOM for s in own)
        assert row.hull_complete == sum(s.hull_complete for s in own)
        assert 0 < row.near_hull < len(own)


def test_yields_are_shares_of_the_proposed(summaries):
    rows = origin_rows(summaries)
    for row, bar in zip(rows, yield_figure(rows).data, strict=True):
        assert bar.y[0] == pytest.approx(100 * row.accepted / row.proposed)
        assert bar.y[-1] == pytest.approx(
            100
            * sum(s.stage == "screened" and not s.rejected and s.origins == [row.origin] for s in summaries)
            / row.proposed
        )


def test_origin_without_tc_has_no_median(summaries):
    early = [s for s in summaries if s.stage == "generated"]
    assert all(row.median_tc_k is None and row.median_hull_ev_per_atom is None for row in origin_rows(early))


def test_top_candidates_are_passed_and_sorted(summaries):
    best = top_candidates(reversed(summaries), 5)
    tc = [s.tc_k for s in best]
    assert len(best) == 5
    assert tc == sorted(tc, reverse=True)
    assert not any(s.rejected for s in best)


def test_figure_is_written_as_html(summaries, tmp_path):
    write_figure(tc_vs_hull_figure(summaries), tmp_path / "figure.html")
    assert "Plotly.newPlot" in (tmp_path / "figure.html").read_text()


def test_static_export_without_kaleido_says_what_to_install(summaries, tmp_path, monkeypatch):
    monkeypatch.setattr("invdesflow.plotting.files.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match="kaleido"):
        write_figure(tc_vs_hull_figure(summaries), tmp_path / "figures" / "figure.png")
    assert not (tmp_path / "figures").exists()


@pytest.mark.slow
def test_static_export(summaries, tmp_path, browser):
    write_figure(tc_vs_hull_figure(summaries), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_static_export_without_a_browser_says_what_to_install(summaries, tmp_path, monkeypatch):
    pytest.importorskip("kaleido")
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="Chrome") as raised:
        write_figure(tc_vs_hull_figure(summaries), tmp_path / "figure.png")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "figure.png").exists()


def test_unknown_suffix_is_refused(summaries, tmp_path):
    with pytest.raises(ConfigurationError, match="suffix"):
        write_figure(tc_vs_hull_figure(summaries), tmp_path / "figure.docx")
