"""The categories of jobs, by which a worker knows those that are its own."""

from typing import Literal, get_args

__all__ = ["CATEGORIES", "Category"]

Category = Literal["ml", "dft", "epw"]
"""Python alone; pw.x and ph.x; Wannier functions and epw.x."""
CATEGORIES: tuple[Category, ...] = get_args(Category)
