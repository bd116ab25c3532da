"""The table of failures: every way in which a run of a program is known to fail, with our name and number for it."""

from dataclasses import dataclass

from invdesflow.espresso.guard import CANNOT_START, FOLDER_IN_USE
from invdesflow.espresso.programs import PROGRAMS, Program

__all__ = ["FAILURES", "FailureKind", "failure_kind"]


@dataclass(frozen=True, slots=True)
class FailureKind:
    """One row of the table.

    Attributes
    ----------
    code
        Our number; it does not change between versions, and a document keeps it.
    name
        Our name, which handlers and documents use.
    programs
        Programs that can fail so.
    message
        What it means and, where we cannot cure it, what the user can do.
    signs
        Any of these in the output, the error file or CRASH means this failure, whatever the return code is; no
        successful run prints them.
    return_codes
        Return codes that mean it when no sign was found.
    transient
        Whether the same input may succeed when it is run again.
    """

    code: int
    name: str
    programs: tuple[Program, ...]
    message: str
    signs: tuple[str, ...] = ()
    return_codes: tuple[int, ...] = ()
    transient: bool = False


_PW: tuple[Program, ...] = ("pw.x",)
_PH: tuple[Program, ...] = ("ph.x",)
_EPW: tuple[Program, ...] = ("epw.x",)
_ANY = PROGRAMS

# In order of priority: the first row with a sign in the files is the diagnosis.
FAILURES: tuple[FailureKind, ...] = (
    FailureKind(
        101,
        "program_not_started",
        _ANY,
        "The program or its launcher cannot be started: look at the settings espresso_bin, espresso_launcher and "
        "espresso_prelude.",
        (
            "error while loading shared libraries",
            "unable to find the specified executable",
            "No such file or directory:",
        ),
        (126, CANNOT_START),
    ),
    FailureKind(
        102,
        "launcher_refused",
        _ANY,
        "The launcher refuses the number of ranks or the user: look at the settings espresso_launcher and "
        "espresso_ranks.",
        (
            "There are not enough slots available",
            "mpirun has detected an attempt to run as root",
            "Unable to create step for job",
            "More processors requested than permitted",
        ),
    ),
    FailureKind(
        103,
        "folder_in_use",
        _ANY,
        "Another program still runs in the folder.",
        return_codes=(FOLDER_IN_USE,),
        transient=True,
    ),
    FailureKind(
        110,
        "disk_full",
        _ANY,
        "There is no room left on the disk of the run folders: make room, or move them with the setting espresso_dir.",
        ("No space left on device", "Disk quota exceeded"),
        transient=True,
    ),
    FailureKind(
        111,
        "out_of_memory",
        _ANY,
        "There is not enough memory: use more ranks on more nodes, or fewer pools.",
        (
            "annot allocate memory",
            "Allocation would exceed memory limit",
            "insufficient virtual memory",
            "std::bad_alloc",
            "oom-kill",
            "oom_kill",
            "Out Of Memory",
        ),
    ),
    FailureKind(
        112,
        "cancelled",
        _ANY,
        "The batch system ended the run, most often because its time was over.",
        ("CANCELLED AT", "DUE TO TIME LIMIT", "job killed: walltime"),
        transient=True,
    ),
    FailureKind(
        120,
        "pseudopotential_missing",
        ("pw.x", "ph.x", "epw.x", "pp.x", "projwfc.x"),
        "A pseudopotential file is missing or cannot be read.",
        ("from readpp", "Error in routine readpp", "from read_upf", "Error in routine read_upf"),
    ),
    FailureKind(
        121,
        "input_refused",
        _ANY,
        "The program does not understand its input file.",
        (
            "bad line in namelist",
            "Bad line in namelist",
            "Could not find namelist",
            "from read_namelists",
            "from read_cards",
            "from card_",
            "Title line missing",
            "reading inputph namelist",
            "reading input namelist",
            "from epw_readin",
            "from readin ",
        ),
    ),
    FailureKind(
        122,
        "earlier_files_missing",
        _ANY,
        "Files of an earlier step are missing: its run is incomplete or another outdir or prefix is given.",
        (
            "from check_tempdir",
            "from read_conf_from_file",
            "fatal error reading xml file",
            "from read_xml_file",
            "from read_file",
            "from pw_readfile",
            "from openfilq",
            "xml data file not found",
        ),
    ),
    FailureKind(
        301,
        "diagonalisation_failed",
        ("pw.x", "ph.x"),
        "The diagonalisation of the Hamiltonian failed.",
        (
            "too many bands are not converged",
            "problems computing cholesky",
            "S matrix not positive definite",
            "problems computing inverse",
            "eigenvectors failed to converge",
            "zhegvd failed",
            "dsygvd failed",
            "problems solving eigenvalue",
            "error in Bunch-Kaufman inversion",
        ),
    ),
    FailureKind(
        302,
        "charge_wrong",
        _PW,
        "The charge of the bands is not the number of electrons, or no Fermi energy gives it.",
        ("charge is wrong", "cannot bracket Ef", "starting and expected charges differ"),
    ),
    FailureKind(
        303,
        "cell_changed_too_much",
        _PW,
        "The cell grew or shrank so much that the arrays of the start do not fit any more.",
        (
            "Not enough space allocated for radial FFT",
            "some original symmetry operations not satisfied",
            "from scale_h",
        ),
    ),
    FailureKind(
        304,
        "line_search_failed",
        _PW,
        "The line search of the BFGS relaxation failed.",
        (
            "bfgs failed after",
            "history already reset at previous step: stopping",
            "dE0s is positive which should never happen",
            "NR step-length unreasonably short",
        ),
    ),
    FailureKind(
        305,
        "ions_not_converged",
        _PW,
        "The relaxation reached its number of steps before the forces and the stress were small.",
        ("The maximum number of steps has been reached",),
        (3,),
    ),
    FailureKind(
        306,
        "scf_not_converged",
        _PW,
        "The self-consistent cycle reached its number of iterations before it converged.",
        ("convergence NOT achieved after",),
        (2,),
    ),
    FailureKind(
        307,
        "highest_band_occupied",
        _PW,
        "The highest band that was computed is partly occupied, so that electrons are missing.",
    ),
    FailureKind(
        308,
        "too_few_plane_waves",
        _PW,
        "There are fewer plane waves than bands or processors: raise the cutoff or lower the number of ranks.",
        ("too many bands, or too few plane waves", "No plane waves found", "some nodes have no k-points"),
    ),
    FailureKind(
        401,
        "linear_response_not_converged",
        _PH,
        "The self-consistent cycle of a phonon mode reached its number of iterations before it converged.",
        ("No convergence has been achieved", "Phonon did not converge"),
    ),
    FailureKind(
        350,
        "out_of_time",
        ("pw.x", "ph.x"),
        "The program stopped itself when its time was over.",
        ("Maximum CPU time exceeded",),
        (255,),
        transient=True,
    ),
    FailureKind(
        501,
        "ranks_not_pools",
        _EPW,
        "EPW needs one rank in each pool.",
        ("only one proc per pool",),
    ),
    FailureKind(
        502,
        "phonon_files_missing",
        _EPW,
        "A dynamical matrix, a dvscf file or the pattern files are missing in the folder of the collected phonons.",
        (
            "from readdvscf",
            "Error in routine readdvscf",
            "from read_dyn_mat",
            "from elphon_shuffle_wrap",
            "from rgd_blk",
        ),
    ),
    FailureKind(
        503,
        "meshes_not_commensurate",
        _EPW,
        "A mesh of k-points is not a multiple of its mesh of q-points.",
        (
            "q-vec not commensurate",
            "to be multiple of nqf1,nqf2,nqf3",
            "can only work with full uniform mesh",
            "coarse grids",
            "must be a multiple of",
        ),
    ),
    FailureKind(
        504,
        "window_too_small",
        _EPW,
        "The outer window of the disentanglement holds fewer bands than Wannier functions at some k-point.",
        ("Energy window contains fewer states than number of target WFs",),
    ),
    FailureKind(
        505,
        "frozen_window_too_large",
        _EPW,
        "The frozen window of the disentanglement holds more bands than Wannier functions at some k-point.",
        ("More states in the frozen window than target WFs",),
    ),
    FailureKind(
        506,
        "wannierisation_failed",
        _EPW,
        "The Wannierisation stopped.",
        (
            "from wannier_run",
            "from setup_nnkp",
            "from compute_amn",
            "Exiting.......",
            "Problem with disentanglement window",
        ),
    ),
    FailureKind(
        507,
        "too_much_memory_wanted",
        _EPW,
        "The interpolation needs more memory than EPW may use.",
        ("Size of required memory exceeds max_memlt",),
    ),
    FailureKind(
        508,
        "pade_not_finite",
        _EPW,
        "The Pade approximation has coefficients that are not numbers: npade is too large.",
        ("Pade coefficients are NaN", "coefficients are NaN"),
    ),
    FailureKind(
        509,
        "stale_restart_files",
        _EPW,
        "Files of an earlier interpolation do not fit the meshes of this one.",
        (
            "Cannot read from selecq.fmt",
            "Number of cores is different",
            "A restart.fmt is present but",
            "from iter_restart",
        ),
    ),
    FailureKind(
        510,
        "gap_vanished",
        _EPW,
        "The superconducting gap went to zero: the temperature is above Tc. This is a result.",
    ),
    FailureKind(
        511,
        "eliashberg_not_converged",
        _EPW,
        "The Eliashberg equations did not converge although the gap is finite: raise nsiter.",
    ),
    FailureKind(
        512,
        "spectrum_truncated",
        _EPW,
        "The file of the spectral function ends early or has other columns than EPW reads.",
        ("End of file", "End of record"),
    ),
    FailureKind(
        513,
        "fermi_window_empty",
        _EPW,
        "There are no states within fsthick of the Fermi energy: the system is gapped, or the window too small.",
        ("No k-points within the Fermi shell", "fsthick is too small", "Fermi level is in the gap"),
    ),
    FailureKind(
        514,
        "symmetries_not_read",
        _EPW,
        "EPW crashed while it read the symmetries: the bands were computed with nosym or noinv.",
    ),
    FailureKind(
        190,
        "killed",
        _ANY,
        "The program was killed, by somebody, by the batch system or for its memory.",
        return_codes=(130, 137, 143),
        transient=True,
    ),
    FailureKind(
        191,
        "crashed",
        _ANY,
        "The program crashed.",
        ("SIGSEGV", "Segmentation fault", "SIGFPE", "SIGBUS"),
        (132, 134, 135, 136, 139),
    ),
    FailureKind(
        198,
        "stopped_with_error",
        _ANY,
        "The program stopped with an error for which we have no name.",
        ("Error in routine", ": error #"),
    ),
    FailureKind(
        199,
        "incomplete",
        _ANY,
        "The program did not say that it has finished, or left files that are incomplete.",
    ),
)

_BY_NAME = {kind.name: kind for kind in FAILURES}


def failure_kind(name: str) -> FailureKind:
    """Find the row of a failure by its name."""
    return _BY_NAME[name]
