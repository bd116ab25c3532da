"""Aluminium, small enough to be computed in every test: a second for the bands, two for a phonon."""

import shutil
from pathlib import Path

import pytest

PSEUDOPOTENTIALS = Path("/usr/share/espresso/pseudo")

needs_pw = pytest.mark.skipif(shutil.which("pw.x") is None, reason="pw.x is not installed")
needs_ph = pytest.mark.skipif(shutil.which("ph.x") is None, reason="ph.x is not installed")


def pw_input(
    calculation: str = "scf", control: str = "", system: str = "", electrons: str = "", points: str = "4 4 4 0 0 0"
) -> str:
    return f"""&control
  calculation = '{calculation}'
  prefix = 'crystal'
  outdir = './out/'
  pseudo_dir = '{PSEUDOPOTENTIALS}'
  {control}
/
&system
  ibrav = 2
  celldm(1) = 7.5
  nat = 1
  ntyp = 1
  ecutwfc = 15
  occupations = 'smearing'
  smearing = 'mv'
  degauss = 0.02
  {system}
/
&electrons
  conv_thr = 1.0d-12
  {electrons}
/
ATOMIC_SPECIES
Al 26.98 Al.pz-vbc.UPF
ATOMIC_POSITIONS crystal
Al 0 0 0
K_POINTS automatic
{points}
"""


def ph_input(more: str = "", q: str = "1.0 0.0 0.0") -> str:
    return f"""phonons of aluminium
&inputph
  prefix = 'crystal'
  outdir = './out/'
  fildyn = 'crystal.dyn'
  fildvscf = 'dvscf'
  tr2_ph = 1.0d-14
  {more}
/
{q}
"""


def energy_ry(directory: Path, output: str = "pw.out") -> str:
    return [line.split()[-2] for line in (directory / output).read_text().splitlines() if line.startswith("!")][-1]
