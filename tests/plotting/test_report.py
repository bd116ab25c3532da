import hashlib
import json
import os
import re
from html.parser import HTMLParser

import pytest
from synthetic_campaign import campaign, summaries_and_structures, summary

from invdesflow.database.campaign import CampaignDocument
from invdesflow.errors import ConfigurationError
from invdesflow.plotting.report import campaign_report, write_report

SECTIONS = ["top", "funnel", "tc-vs-hull", "structures", "chemical-space", "origins", "recipe"]
HOSTILE = "<script>alert(1)</script>"
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Elements with balanced tags, scripts apart."""

    def __init__(self, html):
        super().__init__()
        self.open, self.scripts, self.ids, self.text, self.attributes = [], [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.attributes += attrs.items()
        self.ids += [attrs["id"]] if "id" in attrs else []
        if tag == "script":
            self.scripts.append((attrs, ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            attrs, text = self.scripts[-1]
            self.scripts[-1] = (attrs, text + data)
        else:
            self.text.append(data)

    @property
    def code(self):
        return [text for attrs, text in self.scripts if attrs.get("type") != "application/json"]

    @property
    def figures(self):
        return {
            attrs["id"].removeprefix("figure-"): json.loads(text)
            for attrs, text in self.scripts
            if attrs.get("type") == "application/json"
        }


@pytest.fixture(scope="module")
def data():
    return summaries_and_structures()


@pytest.fixture(scope="module")
def html(data):
    summaries, structures = data
    return campaign_report(campaign(summaries), summaries, structures)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_has_every_section_and_distinct_ids(page):
    assert [name for name in page.ids if name in SECTIONS] == SECTIONS
    assert len(page.ids) == len(set(page.ids))


def test_loads_nothing_from_elsewhere(page):
    assert not [value for name, value in page.attributes if name in ("src", "href")]
    policy = next(value for _, value in page.attributes if value and value.startswith("default-src"))
    assert policy.startswith("default-src 'none';")
    assert "unsafe-inline" not in re.search(r"script-src ([^;]*)", policy)[1]


def test_policy_admits_exactly_the_two_scripts_of_the_report(page):
    import base64

    policy = next(value for _, value in page.attributes if value and value.startswith("default-src"))
    hashes = re.findall(r"'sha256-([^']+)'", policy)
    assert hashes == [base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in page.code]
    assert len(hashes) == 2


def test_plotly_is_there_once(html):
    assert html.count("plotly.js v") == 1


def test_tiles_count_the_candidates(data, page):
    summaries, _ = data
    text = " ".join(" ".join(page.text).split())
    relaxed = sum(bool(s.relaxation_converged) for s in summaries)
    winners = [s for s in summaries if s.stage == "screened" and not s.rejected]
    assert f"{len(summaries)} candidates {relaxed} relaxed {len(winners)} passed every gate" in text
    assert f"{max(s.tc_k for s in winners):.1f} K highest predicted" in text


def test_every_placeholder_has_its_figure_and_the_reverse(page):
    placeholders = [value for name, value in page.attributes if name == "data-figure"]
    assert sorted(placeholders) == sorted(page.figures)
    assert sum(name.startswith("structure-") for name in placeholders) == 12


def test_table_of_top_candidates_is_in_order_of_tc(data, page):
    summaries, _ = data
    best = sorted((s for s in summaries if s.stage == "screened" and not s.rejected), key=lambda s: -s.tc_k)[:12]
    shown = [text for text in page.text if text.startswith("cand-")]
    assert shown == [s.candidate_id for s in best]


def test_hostile_names_are_text(data):
    summaries, structures = data
    best = max((s for s in summaries if s.stage == "screened" and not s.rejected), key=lambda s: s.tc_k)
    names = {"origins": [HOSTILE], "tc_model": HOSTILE, "potential": HOSTILE, "space_group_symbol": HOSTILE}
    hostile = best.model_copy(update={"reduced_formula": HOSTILE, **names})
    document = campaign(summaries, name=HOSTILE)
    document.rounds[0].stages[0].rejected = {HOSTILE: 3}
    document.rounds[0].stages[1].note = HOSTILE
    document.rounds[0].maker = {HOSTILE: HOSTILE}
    document.provenance.versions = {HOSTILE: HOSTILE}
    page = Page(campaign_report(document, [hostile, *summaries], structures))
    assert len(page.code) == 2
    assert "alert(1)" not in "".join(page.code)
    assert sum(HOSTILE in text for text in page.text) >= 8
    figures = json.dumps(page.figures)
    assert "alert" in figures
    assert "<script" not in figures


def test_missing_values_are_dashes_not_numbers(data):
    _, structures = data
    structure = next(iter(structures.values()))
    bare = [
        summary(0, 225, structure),
        summary(1, 225, structure, stage="relaxed", relaxation_converged=True, potential="CHGNet"),
        summary(2, 225, structure, stage="screened", tc_k=9.0),
        summary(3, 225, structure, stage="screened", rejected=True, rejection_gate="tc"),
    ]
    page = Page(campaign_report(campaign(bare), bare, {}))
    assert "tc-vs-hull" not in page.figures
    text = " ".join(page.text)
    assert "No candidate has both a predicted Tc and an energy above the hull." in text
    assert "No structure was given to the report." in text
    assert not {"None", "nan"} & {word.strip() for word in page.text}
    row = page.text[next(i for i, word in enumerate(page.text) if word == "Top candidates") :]
    assert sum(word == "\N{EN DASH}" for word in row[:80]) >= 6


def test_campaign_without_rounds_says_so_in_every_section():
    empty = CampaignDocument(campaign_id="cmp-0", name="empty", maker="DiscoveryMaker")
    page = Page(campaign_report(empty, [], {}))
    assert page.figures == {}
    assert [name for name in page.ids if name in SECTIONS] == SECTIONS
    text = " ".join(page.text)
    for words in ("No stage of a round", "There are no candidates.", "No parameters are recorded.", "none has begun"):
        assert words in text


def test_unusable_structure_is_reported_not_raised(data):
    summaries, structures = data
    best = max((s for s in summaries if s.stage == "screened" and not s.rejected), key=lambda s: s.tc_k)
    disordered = structures[best.candidate_id].copy()
    disordered.replace(0, {"Nb": 0.5, "Ti": 0.5})
    page = Page(campaign_report(campaign(summaries), summaries, structures | {best.candidate_id: disordered}))
    assert "structure-1" not in page.figures
    assert any("disordered" in text for text in page.text)


def test_same_documents_same_report(data, html):
    summaries, structures = data
    assert campaign_report(campaign(summaries), summaries, structures) == html


def test_write_report_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    file = tmp_path / "reports" / "report.html"
    write_report(file, "old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(ConfigurationError, match="No space left"):
            write_report(file, "new")
    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]
    write_report(file, "new")
    assert file.read_text() == "new"


def test_write_report_below_a_file_is_a_configuration_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_report(tmp_path / "file" / "report.html", "text")
