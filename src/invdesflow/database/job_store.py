"""jobflow's store for the outputs of jobs, which passes on nothing that would be decoded into code."""

from collections.abc import Iterator
from typing import Any

from jobflow import JobStore

from invdesflow.database.decoding import refuse_code

__all__ = ["CheckedJobStore"]


class CheckedJobStore(JobStore):
    """A job store whose documents are looked at before jobflow decodes them.

    jobflow reads every output through `query`, and decodes it when it resolves a reference to it.
    """

    def query(self, *args: Any, **kwargs: Any) -> Iterator[dict[str, Any]]:
        """Yield the documents as ``JobStore.query`` does.

        Raises
        ------
        DatabaseError
            If one names a class or a function that is not on the allow-list (`invdesflow.database.decoding`).
        """
        for document in super().query(*args, **kwargs):
            refuse_code(document)
            yield document
