"""The errors that users see: one line that says what is wrong, one that says how to mend it."""


class InvDesFlowError(Exception):
    """An error with a remedy.

    Parameters
    ----------
    problem
        What is wrong, as one sentence without credentials.
    remedy
        What the user can do about it, as one sentence; empty when `problem` says it already.
    """

    exit_code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".strip()


class ConfigurationError(InvDesFlowError):
    """A setting, a recipe or a store file that cannot be used."""

    exit_code = 2


class DatabaseError(InvDesFlowError):
    """The database cannot be reached, refuses us, or holds what it should not."""

    exit_code = 3


class StructureError(InvDesFlowError):
    """A crystal structure that cannot be read or must not be computed."""

    exit_code = 4


class PotentialError(InvDesFlowError):
    """An interatomic potential that cannot be loaded or does not know an element."""

    exit_code = 5


class ModelError(InvDesFlowError):
    """A machine-learned model that is missing, damaged or of another version."""

    exit_code = 6


class CampaignError(InvDesFlowError):
    """A campaign that could not be carried to its end."""

    exit_code = 7


class TrainingError(InvDesFlowError):
    """A model that cannot be trained from what was given."""

    exit_code = 8


class EspressoError(InvDesFlowError):
    """A Quantum ESPRESSO or EPW calculation that cannot be started, or whose files cannot be read."""

    exit_code = 9


class SpectrumError(InvDesFlowError):
    """A spectral function alpha2F that cannot be read, or Eliashberg equations on it that have no answer."""

    exit_code = 10


class IntercalationError(InvDesFlowError):
    """A host without room for guests, too many orderings of them, or crystals that must not be compared."""

    exit_code = 11


class LearningError(InvDesFlowError):
    """A training set that is empty or contaminated, or a model that cannot be trained again from it."""

    exit_code = 12
