import math

import pytest

from invdesflow.espresso.parsers.text import error_message, fortran_float, last_float, number_lines


@pytest.mark.parametrize(
    ("token", "value"),
    [("1.5D-03", 1.5e-3), ("-2.880913-160", -2.880913e-160), ("7.", 7.0), ("3.815287+161", 3.815287e161)],
)
def test_fortran_writes_numbers_in_its_own_ways(token: str, value: float) -> None:
    assert fortran_float(token) == value


def test_nan_stays_nan_and_stars_are_no_number() -> None:
    assert math.isnan(fortran_float("NaN"))
    with pytest.raises(ValueError, match=r"\*"):
        fortran_float("*****")


def test_table_skips_comments_and_refuses_a_cut_line() -> None:
    assert number_lines(["# w f", "", " 1 2", "3 -4.0-101"]).tolist() == [[1, 2], [3, -4e-101]]
    with pytest.raises(ValueError, match="2 columns"):
        number_lines(["1 2", "3"])
    with pytest.raises(ValueError, match="no numbers"):
        number_lines(["# only a head"])


def test_last_of_several_values_counts() -> None:
    assert last_float("Ef =  8.1 eV\n Ef = 8.2", "Ef") == 8.2
    assert last_float("nothing", "Ef") is None


def test_error_is_found_in_standard_output_and_in_a_crash_file() -> None:
    printed = " %%%%\n     Error in routine readpp (1):\n      file Al.UPF  not found\n %%%%\n"
    crash = " %%%%\n     task #         0\n     from readpp : error #         1\n     file Al.UPF  not found\n %%%%\n"
    assert error_message(printed) == error_message(crash) == "readpp: file Al.UPF not found"
    assert error_message("JOB DONE.") is None
