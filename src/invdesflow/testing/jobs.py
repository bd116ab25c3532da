"""A job that does nothing but take time, to measure and to try out what launches jobs."""

import time

from jobflow import job

__all__ = ["idle"]


@job
def idle(seconds: float = 0.0, after: object = None) -> float:
    """Sleep.

    Parameters
    ----------
    seconds
        How long.
    after
        Output of a job that has to end before this one; it is not looked at.

    Returns
    -------
    float
        How long it slept (s).
    """
    begin = time.monotonic()
    time.sleep(seconds)
    return time.monotonic() - begin
