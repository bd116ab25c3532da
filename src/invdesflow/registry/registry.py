"""The registry: shipped models and those in the database, and which one of each kind is promoted."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Literal

from invdesflow.database import Database
from invdesflow.database.documents import utc_now
from invdesflow.errors import ModelError
from invdesflow.model_files import read_card, write_file
from invdesflow.registry.documents import ModelDocument, Promotion

__all__ = ["Registry", "Score"]

Score = tuple[str, bool]
"""Held-out metric by which models of a kind are compared, and whether more of it is better."""
_TICK = timedelta(milliseconds=1)


class Registry:
    """Models of every kind.

    A model that ships is known without being stored; it is the one that is asked until another of its kind is promoted.

    Parameters
    ----------
    database
        Where models are stored.
    shipped
        Weights files that come with InvDesFlow: for each kind the one that is asked by default first.
    scores
        Kind -> how its models are compared; a kind without one is promoted without comparison.
    """

    def __init__(
        self, database: Database, shipped: Mapping[str, Sequence[Path]], scores: Mapping[str, Score] | None = None
    ) -> None:
        self._database = database
        self._stored = database.collection(ModelDocument)
        self._shipped = shipped
        self._scores = scores or {}

    def models(self, kind: str | None = None) -> Iterator[ModelDocument]:
        """Yield every model, or those of one kind: those that ship, then those of the database.

        Raises
        ------
        ModelError
            If one that ships is missing or damaged; the other kinds do not mind.
        """
        criteria = {} if kind is None else {"kind": kind}
        found = self._stored.find(criteria, sort=[("kind", 1), ("created_at", 1)])
        stored = {model.model_id: model for model in found}
        for shipped_kind, paths in self._shipped.items():
            for path in paths if kind in {None, shipped_kind} else ():
                own = ModelDocument.from_card(read_card(path), shipped=True)
                # What ships is read from the package, which may be newer; the database adds whether it was promoted.
                kept = stored.pop(own.model_id, None)
                added = {} if kept is None else {"promoted_at": kept.promoted_at, "promotions": kept.promotions}
                yield own.model_copy(update=added)
        yield from stored.values()

    def get(self, model_id: str) -> ModelDocument:
        """Return a model.

        Raises
        ------
        ModelError
            If there is none of this name.
        """
        known = {model.model_id: model for model in self.models()}
        if model_id not in known:
            raise ModelError(f"There is no model {model_id!r}.", f"Choose one of {', '.join(known)}.")
        return known[model_id]

    def promoted(self, kind: str) -> ModelDocument:
        """Return the model of a kind that is asked.

        Raises
        ------
        ModelError
            If there is no model of this kind, or none ships and none was promoted.
        """
        asked = self.asked(kind)
        if asked is not None:
            return asked
        known = [model.model_id for model in self.models(kind)]
        if not known:
            raise ModelError(f"There is no model of the kind {kind!r}.", "Import one with `invdesflow models import`.")
        raise ModelError(
            f"No model of the kind {kind!r} is promoted.", f"Run: invdesflow models promote {' or '.join(known)}"
        )

    def asked(self, kind: str) -> ModelDocument | None:
        """Return the model of a kind that was promoted last, or else the one that ships; none without either."""
        models = list(self.models(kind))
        chosen = [model for model in models if model.promoted_at is not None]
        if chosen:
            return max(chosen, key=lambda model: (model.promoted_at, model.model_id))
        return models[0] if self._shipped.get(kind) else None

    def find(self, kind: str, choice: str | None = None) -> Path:
        """Return the weights file of the model that is wanted.

        Parameters
        ----------
        kind
            Kind of the model.
        choice
            Name of a model, or path of a weights file; none is the promoted one.

        Raises
        ------
        DatabaseError
            If the weights are not in the database.
        ModelError
            If there is no such model.
        """
        if choice is None:
            return self.weights(self.promoted(kind))
        if Path(choice).is_file():
            return Path(choice)
        model = self.get(choice)
        if model.kind != kind:
            raise ModelError(f"{choice} is a model of the kind {model.kind}, not {kind}.", "Choose another.")
        return self.weights(model)

    def weights(self, model: ModelDocument) -> Path:
        """Return a file with the weights of a model, its card beside it, fetched from the database if need be.

        Raises
        ------
        DatabaseError
            If the weights are not in the database.
        ModelError
            If a shipped file is missing.
        """
        if model.shipped:
            for path in self._shipped.get(model.kind, ()):
                if read_card(path)["sha256"] == model.digest:
                    return path
            raise ModelError(f"{model.model_id} no longer ships with InvDesFlow.", "Promote another model.")
        path = self._database.settings.data_dir / "models" / f"{model.digest}.safetensors"
        card = path.with_suffix(".json")  # written last
        if not card.exists() or json.loads(card.read_text(encoding="utf-8")) != model.card:
            self._write(model, path)
        return path

    def add(self, path: Path) -> ModelDocument:
        """Store a model file and its card.

        Raises
        ------
        ModelError
            If the files cannot be read or do not belong together, the kind is unknown, or another model has the name.
        """
        card = read_card(path)
        missing = [name for name in ("kind", "model_id", "version") if name not in card]
        if missing:
            raise ModelError(f"The card of {path} lacks {', '.join(missing)}.", "Give a model that InvDesFlow trained.")
        if card["kind"] not in self._shipped:
            raise ModelError(f"{path} is of the unknown kind {card['kind']!r}.", f"Kinds: {', '.join(self._shipped)}.")
        model = ModelDocument.from_card(card, shipped=False)
        same = [known for known in self.models() if known.model_id == model.model_id]
        if same and same[0].digest != model.digest:
            raise ModelError(f"Another model is called {model.model_id}.", "Give this one another name in its card.")
        if same:
            return same[0]
        self._database.blobs.put(path.read_bytes())
        self._stored.upsert([model])
        return model

    def export(self, model_id: str, folder: Path) -> Path:
        """Write weights and card of a model into a folder; return the weights file.

        Raises
        ------
        ModelError
            If there is no such model.
        """
        model = self.get(model_id)
        path = folder / f"{model_id}.safetensors"
        self._write(model, path)
        return path

    def promote(self, model_id: str, *, anyway: bool = False) -> ModelDocument:
        """Let a model be the one of its kind that is asked.

        Parameters
        ----------
        model_id
            The model.
        anyway
            Also if it is not better than the present one on the same held-out formulas.

        Raises
        ------
        ModelError
            If there is no such model, or it is not better.
        """
        model = self.get(model_id)
        present = self.asked(model.kind) or model  # the first of a kind that does not ship beats nobody
        if model.model_id == present.model_id and present.promoted_at is not None:
            return present
        if not anyway and model.model_id != present.model_id:
            self._require_better(model, present)
        return self._ask(model, "anyway" if anyway else "better", present)

    def rollback(self, kind: str) -> ModelDocument:
        """Ask again the model of a kind that was asked before the present one; repeat it to go further back.

        Raises
        ------
        ModelError
            If there was none before.
        """
        models = list(self.models(kind))
        present = self.promoted(kind)
        asked = [models[0].model_id] if self._shipped.get(kind) else []  # before anything is promoted
        events = [(promotion.at, promotion.how, model.model_id) for model in models for promotion in model.promotions]
        for _, how, model_id in sorted(events):
            if how == "rollback":
                asked.pop()
            elif asked[-1:] != [model_id]:
                asked.append(model_id)
        if len(asked) < 2 or asked[-1] != present.model_id:
            raise ModelError(
                f"Before {present.model_id} no other {kind} model was asked.", "Name one: `invdesflow models promote`."
            )
        return self._ask(self.get(asked[-2]), "rollback", present)

    def refuse(self, model_id: str, reason: str) -> ModelDocument:
        """Keep a model and say why it is not promoted."""
        refused = self.get(model_id).model_copy(update={"not_promoted": reason})
        self._stored.upsert([refused])
        return refused

    def _ask(
        self, model: ModelDocument, how: Literal["better", "anyway", "rollback"], present: ModelDocument
    ) -> ModelDocument:
        now = utc_now()
        if present.promoted_at is not None:  # the order decides, and a clock may be behind
            now = max(now, present.promoted_at + _TICK)
        promotion = Promotion(at=now, how=how, instead_of=present.model_id)
        promoted = model.model_copy(update={"promoted_at": now, "promotions": [*model.promotions, promotion]})
        self._stored.upsert([promoted])
        return promoted

    def _require_better(self, model: ModelDocument, present: ModelDocument) -> None:
        name, more_is_better = self._scores.get(model.kind, ("", True))
        new, old = (one.held_out_metrics.get(name) for one in (model, present))
        remedy = "Evaluate both, or promote it anyway with --anyway."
        if model.compared_with == present.digest:
            if model.not_promoted:
                raise ModelError(
                    f"{model.model_id} is not better than {present.model_id}: {model.not_promoted}.", remedy
                )
            return
        if model.compared_with is not None:
            raise ModelError(
                f"{model.model_id} was measured against another model than {present.model_id}.",
                "Retrain on the present one, or promote it anyway with --anyway.",
            )
        if new is None or old is None:
            raise ModelError(f"{model.model_id} and {present.model_id} cannot be compared.", remedy)
        if model.held_out_formulas_digest != present.held_out_formulas_digest:
            raise ModelError(
                f"{model.model_id} and {present.model_id} were evaluated on different held-out formulas.", remedy
            )
        if new == old or (new > old) != more_is_better:
            raise ModelError(
                f"{model.model_id} is not better than {present.model_id}: {name} is {new:.4g}, not {old:.4g}.", remedy
            )

    def _write(self, model: ModelDocument, path: Path) -> None:
        weights = self.weights(model).read_bytes() if model.shipped else self._database.blobs.get(model.digest)
        write_file(path, weights, model.card)
