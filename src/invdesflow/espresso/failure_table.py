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
        Our number; documents keep it, so it never changes its meaning.
    name
        Our name, which handlers and documents use.
    programs
        Programs that can fail so.
    message
        What it means and, where only the user can cure it, how.
    signs
        Any of these words in the output, the error file or CRASH means this failure, whatever the return code is; no
        successful run prints them.
    routines
        Subroutines whose error messages mean it.
    return_codes
        Return codes that mean it where no words do.
    transient
        Whether the same input may succeed when it is run again.
    """

    code: int
    name: str
    programs: tuple[Program, ...]
    message: str
    signs: tuple[str, ...] = ()
    routines: tuple[str, ...] = ()
    return_codes: tuple[int, ...] = ()
    transient: bool = False


_PW: tuple[Program, ...] = ("pw.x",)
_PH: tuple[Program, ...] = ("ph.x",)
_PW_PH: tuple[Program, ...] = ("pw.x", "ph.x")
_EPW: tuple[Program, ...] = ("epw.x",)

# In order of priority: where the words of several rows are found, the first row is the diagnosis.
FAILURES: tuple[FailureKind, ...] = (
    FailureKind(
        101,
        "program_not_started",
        PROGRAMS,
        "The program or its launcher cannot be started: look at the settings espresso_bin, espresso_launcher and "
        "espresso_prelude.",
        signs=("error while loading shared libraries", "unable to find the specified executable", "execve(): "),
        return_codes=(126, CANNOT_START),
    ),
    FailureKind(
        102,
        "launcher_refused",
        PROGRAMS,
        "The launcher refuses the user or the number of ranks: look at the settings espresso_launcher and "
        "espresso_ranks.",
        signs=(
            "There are not enough slots available",
            "mpirun has detected an attempt to run as root",
            "Unable to create step for job",
            "More processors requested than permitted",
        ),
    ),
    FailureKind(
        103,
        "folder_in_use",
        PROGRAMS,
        "Another program still runs in the folder.",
        return_codes=(FOLDER_IN_USE,),
        transient=True,
    ),
    FailureKind(
        110,
        "disk_full",
        PROGRAMS,
        "There is no room left on the disk of the run folders: make room, or move them with the setting espresso_dir.",
        signs=("No space left on device", "Disk quota exceeded"),
        transient=True,
    ),
    FailureKind(
        111,
        "out_of_memory",
        PROGRAMS,
        "There is not enough memory: use more nodes, or fewer pools.",
        signs=(
            "annot allocate memory",
            "Error allocating",
            "cannot allocate ",
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
        PROGRAMS,
        "The batch system ended the run, mostly because its time was over.",
        signs=("CANCELLED AT", "DUE TO TIME LIMIT", "job killed: walltime"),
        transient=True,
    ),
    FailureKind(
        301,
        "diagonalisation_failed",
        _PW_PH,
        "The diagonalisation of the Hamiltonian failed.",
        signs=(
            "too many bands are not converged",
            "problems computing cholesky",
            "problems computing inverse",
            "S matrix not positive definite",
            "eigenvectors failed to converge",
            "zhegvd failed",
            "dsygvd failed",
        ),
    ),
    FailureKind(
        302,
        "charge_wrong",
        _PW,
        "The charge of the bands is not the number of electrons, or no Fermi energy gives it.",
        signs=("charge is wrong", "cannot bracket Ef", "starting and expected charges differ"),
    ),
    FailureKind(
        303,
        "cell_changed_too_much",
        _PW,
        "The cell changed so much that the tables of the pseudopotentials, made at the start, do not reach any more.",
        signs=("Not enough space allocated for radial FFT",),
        routines=("scale_h",),
    ),
    FailureKind(
        304,
        "line_search_failed",
        _PW,
        "The line search of the BFGS relaxation failed.",
        signs=(
            "bfgs failed after",
            "history already reset at previous step: stopping",
            "dE0s is positive which should never happen",
            "NR step-length unreasonably short",
        ),
    ),
    FailureKind(
        306,
        "scf_not_converged",
        _PW,
        "The self-consistent cycle did not converge in its number of iterations.",
        signs=("convergence NOT achieved after",),
        return_codes=(2,),
    ),
    FailureKind(
        305,
        "ions_not_converged",
        _PW,
        "The relaxation did not converge in its number of steps.",
        signs=("The maximum number of steps has been reached",),
        return_codes=(3,),
    ),
    FailureKind(
        307,
        "highest_band_occupied",
        _PW,
        "The highest band that was computed holds electrons, so that some are missing above it.",
    ),
    FailureKind(
        308,
        "too_few_plane_waves",
        _PW,
        "There are fewer plane waves than bands or processors: raise the cutoff or lower the number of ranks.",
        signs=("too many bands, or too few plane waves", "No plane waves found", "some nodes have no k-points"),
    ),
    FailureKind(
        401,
        "linear_response_not_converged",
        _PH,
        "The self-consistent cycle of a phonon mode did not converge in its number of iterations.",
        signs=("No convergence has been achieved",),
    ),
    FailureKind(
        350,
        "out_of_time",
        _PW_PH,
        "The program stopped itself when its time was over.",
        signs=("Maximum CPU time exceeded",),
        return_codes=(255,),
        transient=True,
    ),
    FailureKind(
        501,
        "ranks_not_pools",
        _EPW,
        "EPW needs one rank in each pool.",
        signs=("only one proc per pool",),
    ),
    FailureKind(
        502,
        "phonon_files_missing",
        _EPW,
        "A dynamical matrix, a potential change or the patterns of the collected phonons are missing.",
        signs=("Modes file does not exist", "Problem with modes file"),
        routines=("readdvscf", "read_dyn_mat_param", "read_disp_pattern"),
    ),
    FailureKind(
        503,
        "meshes_not_commensurate",
        _EPW,
        "The mesh of k-points is not a multiple of the mesh of q-points, or not the mesh of the bands.",
        signs=(
            "q-vec not commensurate",
            "to be multiple of nqf1,nqf2,nqf3",
            "nscf run inconsistent with epw input",
            "coarse k-mesh needs to be strictly positive",
        ),
    ),
    FailureKind(
        504,
        "window_too_small",
        _EPW,
        "The outer window of the disentanglement holds fewer bands than there are Wannier functions.",
        signs=("Energy window contains fewer states than number of target WFs",),
    ),
    FailureKind(
        505,
        "frozen_window_too_large",
        _EPW,
        "The frozen window of the disentanglement holds more bands than there are Wannier functions.",
        signs=("More states in the frozen window than target WFs",),
    ),
    FailureKind(
        507,
        "memory_limit_too_low",
        _EPW,
        "The Eliashberg equations need more memory than max_memlt allows.",
        signs=("Size of required memory exceeds max_memlt",),
    ),
    FailureKind(
        508,
        "pade_not_finite",
        _EPW,
        "The Pade approximation has coefficients that are not numbers, because it uses too many Matsubara points.",
        signs=("Pade coefficients are NaN", "one or more coefficients are NaN", "NaN            NaN"),  # of Z and Delta
    ),
    FailureKind(
        509,
        "stale_restart_files",
        _EPW,
        "Files that an earlier interpolation left do not fit the meshes of this one.",
        signs=("Cannot read from selecq.fmt", "Number of cores is different", "A restart.fmt is present but"),
        routines=("iter_restart",),
    ),
    FailureKind(
        510,
        "gap_vanished",
        _EPW,
        "The superconducting gap went to zero: the temperature is above Tc. That is a result.",
    ),
    FailureKind(
        511,
        "eliashberg_not_converged",
        _EPW,
        "The Eliashberg equations did not converge although the gap is finite.",
    ),
    FailureKind(
        512,
        "spectrum_missing",
        _EPW,
        "The file of the spectral function is missing.",
        signs=("opening fila2f",),
    ),
    FailureKind(
        515,
        "file_not_as_expected",
        _EPW,
        "A file that EPW reads is missing, ends early or has something else in it.",
        signs=("Fortran runtime error: End of file", "Fortran runtime error: Bad real number"),
        return_codes=(2,),
    ),
    FailureKind(
        513,
        "spin_polarised",
        _EPW,
        "EPW cannot treat a spin-polarised system.",
        signs=("El-ph and spin not implemented",),
    ),
    FailureKind(
        514,
        "symmetries_not_read",
        _EPW,
        "EPW crashed while it read the symmetries: the bands were computed with nosym or noinv.",
    ),
    FailureKind(
        506,
        "wannierisation_failed",
        _EPW,
        "The Wannierisation stopped.",
        signs=("Exiting.......", "Problem with disentanglement window", "examine the output/error file for details"),
    ),
    FailureKind(
        120,
        "pseudopotential_missing",
        PROGRAMS,
        "A pseudopotential file is missing or cannot be read.",
        routines=("readpp", "read_upf", "read_upf_new"),
    ),
    FailureKind(
        121,
        "input_refused",
        PROGRAMS,
        "The program does not understand its input file.",
        signs=("bad line in namelist", "Bad line in namelist", "Could not find namelist", "Title line missing"),
        routines=("read_namelists", "read_cards", "phq_readin", "epw_readin", "readin", "iosys"),
    ),
    FailureKind(
        122,
        "earlier_files_missing",
        PROGRAMS,
        "Files of an earlier step are missing: that step is incomplete, or has another outdir or prefix.",
        signs=("fatal error reading xml file",),
        routines=("check_tempdir", "read_xml_file", "read_conf_from_file", "read_file", "pw_readfile", "openfilq"),
    ),
    FailureKind(
        190,
        "killed",
        PROGRAMS,
        "The program was killed: by somebody, by the batch system or for its memory.",
        return_codes=(130, 137, 143),
        transient=True,
    ),
    FailureKind(
        191,
        "crashed",
        PROGRAMS,
        "The program crashed.",
        signs=("SIGSEGV", "Segmentation fault", "SIGFPE", "SIGBUS"),
        return_codes=(132, 134, 135, 136, 139),
    ),
    FailureKind(
        192,
        "files_not_read",
        PROGRAMS,
        "The program has finished, but its files cannot be read. They are kept, and read again when the step is "
        "repeated.",
    ),
    FailureKind(
        198,
        "stopped_with_error",
        PROGRAMS,
        "The program stopped with an error for which we have no name.",
        signs=("Error in routine", ": error #", "Fortran runtime error"),
    ),
    FailureKind(
        199,
        "incomplete",
        PROGRAMS,
        "The program did not say that it has finished, or its files are incomplete.",
    ),
)

_BY_NAME = {kind.name: kind for kind in FAILURES}


def failure_kind(name: str) -> FailureKind:
    """Find the row of a failure by its name."""
    return _BY_NAME[name]
