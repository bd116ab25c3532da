"""`invdesflow potential`: interatomic potentials of your own, from labelled crystals."""

import typer

from invdesflow.cli import potential_labels, potential_measuring, potential_training

__all__ = ["app"]

app = typer.Typer(help="Interatomic potentials: label crystals, train DPA models, measure them.", no_args_is_help=True)
potential_labels.add_commands(app)
potential_training.add_commands(app)
potential_measuring.add_commands(app)
