"""Which document model each collection holds."""

from importlib import import_module
from typing import cast

from invdesflow.database.documents import Document

__all__ = ["COLLECTION_MODELS", "document_model"]

# Named, not imported: the database room stands below the rooms that own the models.
COLLECTION_MODELS = {
    "superconductors": "invdesflow.superconductors.documents:SuperconductorDocument",
    "references": "invdesflow.superconductors.references:ReferenceDocument",
    "candidates": "invdesflow.generation.documents:CandidateDocument",
    "relaxations": "invdesflow.relaxation.documents:RelaxationDocument",
    "screenings": "invdesflow.screening.documents:ScreeningDocument",
    "phonons": "invdesflow.screening.phonon_documents:PhononDocument",
    "espresso_tasks": "invdesflow.espresso.documents:EspressoTaskDocument",
    "electron_phonon": "invdesflow.epw.documents:ElectronPhononDocument",
    "learning_rounds": "invdesflow.learning.round_documents:LearningRoundDocument",
    "training_sets": "invdesflow.learning.training_set_documents:TrainingSetDocument",
    "retrainings": "invdesflow.learning.retraining_documents:RetrainingDocument",
    "intercalation_studies": "invdesflow.intercalation.documents:IntercalationStudyDocument",
    "models": "invdesflow.registry.documents:ModelDocument",
    "campaigns": "invdesflow.database.campaign:CampaignDocument",
    "summary": "invdesflow.database.summary:SummaryDocument",
}


def document_model(collection: str) -> type[Document]:
    """Import the document model of a collection.

    Raises
    ------
    KeyError
        If there is no such collection.
    """
    module, _, name = COLLECTION_MODELS[collection].partition(":")
    return cast("type[Document]", getattr(import_module(module), name))
