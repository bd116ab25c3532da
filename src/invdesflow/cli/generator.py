"""`invdesflow generator`: train, fine-tune, evaluate and use the crystal diffusion model."""

import typer

from invdesflow.cli import generator_evaluation, generator_sampling, generator_training

__all__ = ["app"]

app = typer.Typer(help="The generator: draw crystals, train and evaluate the model.", no_args_is_help=True)
generator_training.add_commands(app)
generator_sampling.add_commands(app)
generator_evaluation.add_commands(app)
