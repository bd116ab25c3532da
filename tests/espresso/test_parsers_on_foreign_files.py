import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import invdesflow.epw.parsers
import invdesflow.espresso.parsers
from invdesflow.errors import EspressoError

DATA = Path(__file__).parents[1] / "data"
OF_MANY_FILES = {"read_partial_densities", "read_plot_bands", "read_text", "read_timing", "read_timings"}


def readers() -> Iterator[Callable[[Path], object]]:
    for package in (invdesflow.espresso.parsers, invdesflow.epw.parsers):
        for found in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package.__name__}.{found.name}")
            yield from (
                getattr(module, name)
                for name in module.__all__
                if name.startswith("read_") and name not in OF_MANY_FILES
            )


def examples() -> list[Path]:
    """Give one recorded file of each name."""
    files = [path for path in sorted(DATA.rglob("*")) if path.is_file() and 0 < path.stat().st_size < 20_000]
    return list({path.name: path for path in files}.values())


@pytest.mark.parametrize(
    "reader", readers(), ids=lambda reader: f"{reader.__module__.split('.')[-1]}.{reader.__name__}"
)
def test_foreign_and_cut_files_are_read_or_refused_in_one_line(
    reader: Callable[[Path], object], tmp_path: Path
) -> None:
    path, refusals = tmp_path / "file", []
    for example in examples():
        whole = example.read_bytes()
        for content in (whole, whole[: len(whole) * 2 // 3], whole[len(whole) // 3 :]):
            path.write_bytes(content)
            with suppress(EspressoError):
                reader(path)
                continue
            with pytest.raises(EspressoError) as caught:
                reader(path)
            refusals.append(str(caught.value))
    assert len(refusals) > 2.7 * len(examples())
    assert all(message.startswith(f"{path} cannot be read as ") and "\n" not in message for message in refusals)
