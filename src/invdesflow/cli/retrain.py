"""`invdesflow retrain`: fine-tune a model on what has been calculated since it was made."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.output import JsonFlag, print_json, say

if TYPE_CHECKING:
    from invdesflow.learning.retraining_documents import Comparison
    from invdesflow.learning.retraining_jobs import Situation


def add_commands(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command()(retrain)


def retrain(
    kind: Annotated[str, typer.Argument(help="tc, classifier, formation-energy or generator")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be learned, and stop")] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over new and replayed crystals")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate at its height")] = None,
    replay: Annotated[float | None, typer.Option(min=0, help="Old crystals shown again for each new one")] = None,
    anchor: Annotated[float | None, typer.Option(min=0, help="How strongly the parent's weights hold")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of everything random")] = None,
    training_set: Annotated[
        str | None, typer.Option(help="A stored training set; by default one is frozen now")
    ] = None,
    promote: Annotated[bool, typer.Option(help="Promote the result if it is better by more than noise")] = True,
    again: Annotated[bool, typer.Option("--again", help="Also if this retraining was completed before")] = False,
    json: JsonFlag = False,
) -> None:
    """Fine-tune the promoted model of a kind; the same command continues after a stop."""
    from pydantic import ValidationError

    from invdesflow.database import Database
    from invdesflow.errors import ConfigurationError
    from invdesflow.learning.retraining import RetrainingSettings
    from invdesflow.learning.retraining_jobs import retrain as train
    from invdesflow.learning.retraining_jobs import situation
    from invdesflow.learning.training_set_documents import KINDS
    from invdesflow.settings import one_line

    if kind not in KINDS:
        raise ConfigurationError(f"There is no kind {kind!r}.", f"Use one of {', '.join(KINDS)}.")
    given: dict[str, Any] = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "replay": replay,
        "anchor": anchor,
        "seed": seed,
    }
    try:
        settings = RetrainingSettings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise ConfigurationError(f"The settings do not fit: {one_line(error)}.", "See --help.") from error
    known: Any = kind
    with Database() as database:
        now = situation(database, known, training_set)
        if dry_run:
            _print_situation(now, json)
            return
        output = train(
            database,
            known,
            settings,
            training_set_id=now.training_set.document.training_set_id,
            promote=promote,
            again=again,
        )
    if json:
        print_json([output.model_dump(mode="json")])
        return
    say(f"Training set {output.training_set_id}: {output.new_rows} new rows.")
    if output.comparison is not None:
        _say_comparison(output.comparison)
    if output.trained is None:
        say(f"Nothing was trained: {output.remark}.")
    elif output.after == output.trained:
        say(f"{output.trained} is promoted; before it {output.before} was asked.")
    else:
        say(f"{output.trained} is kept and not promoted: {output.remark}.")


def _print_situation(now: "Situation", json: bool) -> None:
    from invdesflow.cli.output import print_table

    document = now.training_set.document
    facts = {
        "parent": now.parent.model_id,
        "training_set_id": document.training_set_id,
        "mu_star": document.mu_star,
        "new": len(now.new),
        "old": len(now.old),
        "held_out": document.held_out,
        **{f"from {name}": count for name, count in document.from_collection.items()},
        **{f"left out: {reason}": count for reason, count in document.left_out.items()},
    }
    if json:
        print_json([facts])
    else:
        print_table([{"what": name, "value": value} for name, value in facts.items()], {"what": "", "value": ""})


def _say_comparison(found: "Comparison") -> None:
    if found.parent is None or found.child is None or found.gain is None:
        return
    interval = f"; {100 * found.confidence:.3g} % interval {found.gain_low:.4g} to {found.gain_high:.4g}"
    say(
        f"{found.loss} on {found.rows} held-out rows of {found.formulas} formulas: {found.parent:.4g} before, "
        f"{found.child:.4g} now; gain {found.gain:.4g}{'' if found.gain_low is None else interval}."
    )
