"""Reading pseudopotential files: both versions of the format, and what is not one."""

import pytest
from upf_samples import upf_1, upf_2

from invdesflow.errors import EspressoError
from invdesflow.espresso.upf import parse_upf


def test_version_2() -> None:
    header = parse_upf(upf_2("Al"), "Al.upf")
    assert (header.element, header.kind, header.functional, header.relativistic) == ("Al", "NC", "PBE", "scalar")
    assert (header.z_valence, header.core_correction) == (3.0, True)
    assert header.wavefunctions == (("3S", 0), ("3P", 1))
    assert header.norm_conserving
    assert header.has_pswfc


def test_version_1() -> None:
    header = parse_upf(upf_1("Si"), "Si.UPF")
    assert (header.element, header.kind, header.functional, header.relativistic) == ("Si", "NC", "PBE", "scalar")
    assert (header.z_valence, header.core_correction) == (4.0, True)
    assert header.wavefunctions == (("3S", 0), ("3P", 1))


def test_a_stated_cutoff_is_read_and_nought_is_none() -> None:
    assert parse_upf(upf_2("Al"), "Al.upf").wfc_cutoff_ry is None
    stated = upf_2("Al").replace('pseudo_type="NC"', 'pseudo_type="NC" wfc_cutoff="4.5E+01"')
    assert parse_upf(stated, "Al.upf").wfc_cutoff_ry == 45.0
    assert parse_upf(upf_1("Si"), "Si.UPF").wfc_cutoff_ry is None
    assert parse_upf(upf_1("Si").replace("0.0000000  0.0", "30.000000  0.0", 1), "Si.UPF").wfc_cutoff_ry == 30.0


def test_a_projector_of_zeros_is_one_that_was_lost() -> None:
    projectors = '<PP_BETA.1 size="2">1.0 0.0</PP_BETA.1>\n<PP_BETA.2\n size="2">0.0E+00 0.0E+00\n</PP_BETA.2>\n'
    text = upf_2("Pb").replace("<PP_PSWFC>", projectors + "<PP_PSWFC>")
    assert parse_upf(text, "Pb.upf").lost_projectors == (2,)
    assert parse_upf(upf_2("Al"), "Al.upf").lost_projectors == ()


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("PBE", "PBE"),
        (" SLA  PW   PBE  PBE", "PBE"),
        ("SLA+PW+PBX+PBC", "PBE"),
        ("SLA-PW-PBX-PBC", "PBE"),
        ("PBESOL", "PBEsol"),
        ("SLA PW PSX PSC", "PBEsol"),
        ("SLA\u00a0 PW\u00a0  NOGX NOGC", "LDA-PW"),  # as in PseudoDojo
        (" SLA  PZ   NOGX NOGC", "LDA"),
        ("LDA  ", "LDA"),
        ("SLA PW RPB PBC", "revPBE"),
        ("SCAN", "SCAN"),
    ],
)
def test_a_functional_has_one_name(written: str, name: str) -> None:
    assert parse_upf(upf_2("Al", functional=written), "Al.upf").functional == name


@pytest.mark.parametrize(
    ("kind", "suits"), [("NC", True), ("SL", True), ("US", False), ("USPP", False), ("PAW", False), ("1/r", False)]
)
def test_which_kinds_conserve_the_norm(kind: str, suits: bool) -> None:
    assert parse_upf(upf_2("Al", kind=kind), "Al.upf").norm_conserving is suits


@pytest.mark.parametrize(
    ("written", "name"), [("no", "non"), ("nonrelativistic", "non"), ("scalar", "scalar"), ("full", "full")]
)
def test_relativistic_treatment(written: str, name: str) -> None:
    assert parse_upf(upf_2("Al", relativistic=written), "Al.upf").relativistic == name


@pytest.mark.parametrize(("written", "there"), [("T", True), (".true.", True), ("true", True), ("F", False)])
def test_core_correction(written: str, there: bool) -> None:
    assert parse_upf(upf_2("Al", core_correction=written), "Al.upf").core_correction is there


@pytest.mark.parametrize("text", [upf_2("Al"), upf_1("Al")], ids=["version 2", "version 1"])
def test_no_cut_leaves_a_file_that_is_taken_for_whole(text: str) -> None:
    whole = text.rstrip()
    assert parse_upf(whole, "Al.upf").element == "Al"
    for length in range(0, len(whole) - 1, 7):
        with pytest.raises(EspressoError, match=r"^(Al\.upf is no|The pseudopotential Al\.upf is damaged)"):
            parse_upf(whole[:length], "Al.upf")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("1.00000000E-01", "nonsense", "holds what is no number"),
        ("1.00000000E-01", "", "has 6 of 7 numbers"),
        ('z_valence="   3.00"', "", "'z_valence'"),
        ('z_valence="   3.00"', 'z_valence="three"', "could not convert"),
        ('number_of_wfc="2"', 'number_of_wfc="3"', "it has 2 of 3 orbitals"),
    ],
)
def test_damage_is_said(old: str, new: str, said: str) -> None:
    with pytest.raises(EspressoError, match=said) as caught:
        parse_upf(upf_2("Al").replace(old, new), "Al.upf")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "not a pseudopotential", "<?xml version='1.0'?><psml/>", "\x00\x01"])
def test_what_is_no_upf_is_refused(text: str) -> None:
    with pytest.raises(EspressoError, match="is no pseudopotential in UPF 1 or 2"):
        parse_upf(text, "Al.upf")
