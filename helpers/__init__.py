"""What the notebooks of the softmax course import.

>>> from helpers import check, figures, kernels

`check`, `hint`, `solution` and `progress` are all that a learner needs to know. The submodules
(`kernels`, `gradients`, `partials`, `distributed`, `ranks`, `formats`, `oracle`, `figures`) are
imported by their names.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helpers.exercises import check, hint, progress, solution
    from helpers.published import published_values

__all__ = ["check", "hint", "progress", "published_values", "solution"]


def __getattr__(name: str) -> Any:
    """Import the exercises when one of their four functions is first asked for.

    So `from helpers import kernels` costs no more than the kernels.
    """
    if name == "published_values":
        from helpers.published import published_values

        return published_values
    if name in __all__:
        from helpers import exercises

        return getattr(exercises, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
