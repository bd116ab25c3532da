"""Running pp.x: functions of position in a crystal, out of the files of a self-consistent run."""

from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.inputs import OUTDIR, PREFIX, namelists
from invdesflow.espresso.outputs import PwOutput
from invdesflow.espresso.pw_jobs import SAVE
from invdesflow.espresso.tasks import Read, Task, Way, link_files, perform, task_path

__all__ = ["run_pp"]

_THREE_DIMENSIONS, _GAUSSIAN_CUBE = 3, 6  # numbers of pp.x


def run_pp(
    calculation: Calculation, step: str, static: PwOutput, *, stem: str, plot_num: int, read: Read
) -> EspressoTaskDocument:
    """Run pp.x as a task on a self-consistent run, whose files it gets links to.

    Parameters
    ----------
    calculation
        What it is a part of.
    step
        What it is for, in a few words.
    static
        The self-consistent run. Bands at other k-points would not do: pp.x sums over their states.
    stem
        The file that `read` finds in the run folder is called ``STEM.cube``.
    plot_num
        Which function, as pp.x numbers them.
    read
        Reads scalars from the run folder.

    Raises
    ------
    EspressoError
        As `invdesflow.espresso.tasks.perform`.
    """
    raw = f"{stem}.dat"
    text = namelists(
        {
            "inputpp": {"prefix": PREFIX, "outdir": OUTDIR, "filplot": raw, "plot_num": plot_num},
            "plot": {
                "nfile": 1,
                "filepp": [raw],
                "iflag": _THREE_DIMENSIONS,
                "output_format": _GAUSSIAN_CUBE,
                "fileout": f"{stem}.cube",
            },
        }
    )
    pseudopotentials = calculation.pseudopotentials(static.structure)
    task = Task(step, "pp.x", text, static.structure, pseudopotentials, (static.task_id,))
    way = Way(lambda path: link_files(task_path(static.task_id) / SAVE, path / SAVE, ["*"]), superfluous=(raw,))
    return perform(task, calculation, read, way)
