"""The `invdesflow` command: one sub-command per noun or verb, errors in one line."""

import os
import signal
import sys

import typer

from invdesflow.cli import (
    campaign,
    candidates,
    database,
    doctor,
    eliashberg,
    generator,
    hpc,
    importing,
    intercalate,
    learn,
    models,
    plot,
    potential,
    pseudos,
    report,
    retrain,
    runs,
    schedule,
    submit,
    superconductors,
    verify,
)
from invdesflow.errors import InvDesFlowError

__all__ = ["app", "main"]

_INTERRUPTED = 130  # the shell's convention for a command ended by Ctrl-C

app = typer.Typer(
    help="Search for conventional superconductors: generate, relax, screen, store, query.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
campaign.add_commands(app)
submit.add_commands(app)
candidates.add_commands(app)
importing.add_commands(app)
eliashberg.add_commands(app)
plot.add_commands(app)
verify.add_commands(app)
intercalate.add_commands(app)
retrain.add_commands(app)
schedule.add_commands(app)
doctor.add_commands(app)
app.add_typer(report.app, name="report")
app.add_typer(database.app, name="db")
app.add_typer(runs.app, name="runs")
app.add_typer(superconductors.app, name="superconductors")
app.add_typer(models.app, name="models")
app.add_typer(generator.app, name="generator")
app.add_typer(learn.app, name="learn")
app.add_typer(pseudos.app, name="pseudos")
app.add_typer(potential.app, name="potential")
app.add_typer(hpc.app, name="hpc")


def main() -> None:
    """Run the command line; every error of ours is one line and a code that is not 0."""
    os.environ.setdefault("SPGLIB_WARNING", "OFF")  # it prints on its own what also reaches us as an exception
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end like Ctrl-C: workers and programs end with us
    try:
        app()
    except InvDesFlowError as error:
        _fail(str(error), error.exit_code)
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:  # typer turns Ctrl-C into this, without a word
            _fail("Interrupted. Finished work is stored; the same command continues.", _INTERRUPTED)
        raise
    except BrokenPipeError:
        # The reader (head, less) has gone; point stdout elsewhere so that Python's exit does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:  # such as a full disk, wherever it is found
        place = "" if error.filename is None else f"{error.filename}: "
        _fail(f"{place}{error.strerror or error}. Free space, or choose a path that can be used.", 1)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
