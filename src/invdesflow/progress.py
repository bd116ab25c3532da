"""Progress bars on the terminal's error stream; silent where nobody watches."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["shown_share", "tell", "track"]

T = TypeVar("T")


def tell(message: str) -> None:
    """Print a line on the terminal's error stream."""
    sys.stderr.write(message + "\n")


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield the items and show how far we are.

    Parameters
    ----------
    items
        What is worked on.
    description
        What is done to it, such as "relaxing".
    total
        Number of items where `items` has no length.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield from progress.track(items, total=total, description=description)


@contextmanager
def shown_share(description: str) -> Iterator[Callable[[float], None]]:
    """Show how far a task is that reports the share that is done; give the function to report it with.

    Parameters
    ----------
    description
        What is done, such as "training".
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=1.0)
        yield lambda share: progress.update(task, completed=share)
