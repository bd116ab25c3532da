"""Small models that are trained once for all tests of this room."""

import pytest


@pytest.fixture(scope="session")
def small_tc_model(tmp_path_factory):
    """Weights file of a small Tc model."""
    pytest.importorskip("alignn", reason="alignn is not installed")
    pytest.importorskip("sklearn", reason="scikit-learn (the train extra) is not installed")
    from small_models import described, train_small_tc_model

    from invdesflow.screening.training import alignn_data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignn_data, "describe_set", described)
        return train_small_tc_model(tmp_path_factory.mktemp("tc"))
