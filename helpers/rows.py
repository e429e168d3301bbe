"""Shapes, dtypes and errors: what the kernels need around their formulas, and nothing numerical.

A kernel sees *rows*: the class axes moved to the end and merged into one, any array library.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import array_api_compat
import numpy as np
from array_api_compat import numpy as array_api_numpy

Array = Any  # a NumPy array, a torch tensor, or any array of the Python array API standard
Axis = int | tuple[int, ...] | None


def floating(x: Array) -> tuple[Array, Any]:
    """Return `x` as a real floating array, and its array namespace.

    Lists and scalars become NumPy arrays; integers and bools the default float, *before* anything
    is subtracted (uint8 0 − 1 is 255).
    """
    if type(x) is not np.ndarray:
        if array_api_compat.is_array_api_obj(x) and not isinstance(x, np.ndarray | np.generic):
            return _floating_elsewhere(x)
        x = np.asarray(x)
    kind = x.dtype.kind
    if kind == "f":
        return (x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))), array_api_numpy
    if kind in "iub":
        return x.astype(np.float64), array_api_numpy
    raise TypeError(f"softmax and its relatives are for real numbers; got dtype {x.dtype}")


def _floating_elsewhere(x: Array) -> tuple[Array, Any]:
    xp = array_api_compat.array_namespace(x)
    if xp.isdtype(x.dtype, "complex floating"):
        raise TypeError(f"softmax and its relatives are for real numbers; got dtype {x.dtype}")
    if xp.isdtype(x.dtype, ("bool", "integral")):
        x = xp.astype(x, xp.zeros(()).dtype)
    return x, xp


class Rows(NamedTuple):
    """The input with its class axes moved to the end and merged into one."""

    values: Array  # shape (..., n), floating, the dtype of the result
    xp: Any  # the array namespace
    shape: tuple[int, ...]  # of the input
    axes: tuple[int, ...]  # the class axes of the input

    @property
    def is_numpy(self) -> bool:
        """Whether `blocks` can take these rows."""
        return self.xp is array_api_numpy

    @property
    def n(self) -> int:
        """The number of classes."""
        return int(self.values.shape[-1])

    def wide(self) -> Array:
        """Return the values in at least float32: half precision is too coarse to add up in."""
        half = self.xp.finfo(self.values.dtype).bits < 32
        return self.xp.astype(self.values, self.xp.float32) if half else self.values

    def cast(self, y: Array) -> Array:
        """Return `y` in the dtype of the values."""
        return y if y.dtype == self.values.dtype else self.xp.astype(y, self.values.dtype)

    def constant(self, value: float) -> Array:
        """Return one value a row, shape (..., 1), the same everywhere."""
        shape = (*self.values.shape[:-1], 1)
        where = array_api_compat.device(self.values)
        return self.xp.full(shape, value, dtype=self.values.dtype, device=where)

    def restore(self, y: Array) -> Array:
        """Give rows their original shape and dtype back."""
        y = self.cast(y)
        if len(self.axes) == 1 and self.axes[0] == len(self.shape) - 1:
            return y
        batch = tuple(i for i in range(len(self.shape)) if i not in self.axes)
        order = batch + self.axes
        y = self.xp.reshape(y, tuple(self.shape[i] for i in order))
        return self.xp.permute_dims(y, tuple(order.index(i) for i in range(len(order))))

    def restore_reduced(self, y: Array, keepdims: bool = False) -> Array:
        """Give one value a row, shape (..., 1), the shape of the input reduced over its classes."""
        if keepdims:
            shape = tuple(1 if i in self.axes else n for i, n in enumerate(self.shape))
        else:
            shape = tuple(n for i, n in enumerate(self.shape) if i not in self.axes)
        return self.xp.reshape(self.cast(y), shape)[()]


def rows(x: Array, axis: Axis, *, classes_needed_by: str | None = None) -> Rows:
    """Arrange `x` as rows of classes along `axis`; a scalar is one class.

    Raises
    ------
    TypeError
        If `x` is not real.
    ValueError
        If `axis` is out of range or names an axis twice, or, where `classes_needed_by` names the
        kernel, if there are no classes.
    """
    values, xp = floating(x)
    shape = tuple(values.shape)
    if type(axis) is int and axis in (-1, len(shape) - 1) and shape:
        found = Rows(values, xp, shape, (len(shape) - 1,))
    else:
        axes = _checked_axes(axis, len(shape))
        batch = tuple(i for i in range(len(shape)) if i not in axes)
        values = xp.permute_dims(values, batch + axes)
        n = math.prod(shape[i] for i in axes)
        if len(axes) != 1:
            values = xp.reshape(values, (*(shape[i] for i in batch), n))
        found = Rows(values, xp, shape, axes)
    if classes_needed_by and found.n == 0:
        raise ValueError(f"{classes_needed_by} needs at least one class; the class axis is empty")
    return found


def _checked_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    wanted = axis if isinstance(axis, tuple) else (axis,)
    if ndim == 0 and wanted in ((-1,), (0,)):
        return ()
    if any(not -ndim <= a < ndim for a in wanted):
        raise ValueError(f"axis {axis} is out of range for an array with {ndim} axes")
    axes = tuple(sorted(a % ndim for a in wanted))
    if len(set(axes)) < len(axes):
        raise ValueError(f"axis {axis} names an axis twice")
    return axes


def targets_for(found: Rows, targets: Array, axis: int) -> Array:
    """Return targets as rows: class indices, shape (...), or probabilities, shape (..., n).

    Raises
    ------
    ValueError
        If the shape fits neither, or a class index is out of range.
    """
    targets, xp = _on_the_side_of(targets, found)
    batch = tuple(found.values.shape[:-1])
    if _holds_integers(targets, xp):
        if tuple(targets.shape) != batch:
            raise ValueError(f"class indices must have shape {batch}; got {tuple(targets.shape)}")
        return _checked_labels(targets, found.n, xp)
    if tuple(targets.shape) != found.shape:
        raise ValueError(
            f"target probabilities must have the logits' shape {found.shape}; "
            f"got {tuple(targets.shape)}"
        )
    return xp.astype(rows(targets, axis).values, found.wide().dtype)


def _on_the_side_of(targets: Array, found: Rows) -> tuple[Array, Any]:
    if found.is_numpy:
        return np.asarray(targets), found.xp
    where = array_api_compat.device(found.values)
    return found.xp.asarray(targets, device=where), found.xp


def _holds_integers(x: Array, xp: Any) -> bool:
    return x.dtype.kind in "iu" if xp is array_api_numpy else xp.isdtype(x.dtype, "integral")


def as_labels(labels: Array, n: int) -> tuple[Array, Any]:
    """Return class indices as an integer array, and its namespace.

    Raises
    ------
    TypeError
        If they are no integers.
    ValueError
        If one lies outside 0 … n−1; the message names the first.
    """
    elsewhere = array_api_compat.is_array_api_obj(labels) and not isinstance(labels, np.generic)
    xp = array_api_compat.array_namespace(labels) if elsewhere else array_api_numpy
    labels = xp.asarray(labels)
    if not _holds_integers(labels, xp):
        raise TypeError(f"labels must be integers; got dtype {labels.dtype}")
    return _checked_labels(labels, n, xp), xp


def _checked_labels(labels: Array, n: int, xp: Any) -> Array:
    if xp is array_api_numpy:
        outside = labels.astype(np.uint64) >= n  # a negative label wraps round to a huge one
        some = np.count_nonzero(outside)  # not xp's, which takes a microsecond longer
    else:
        outside = (labels < 0) | (labels >= n)
        some = xp.count_nonzero(outside)
    if some:
        row = int(xp.argmax(xp.astype(xp.reshape(outside, (-1,)), xp.int8)))
        label = int(xp.reshape(labels, (-1,))[row])
        raise ValueError(f"labels must lie in 0…{n - 1} for {n} classes; got {label} at row {row}")
    return labels if labels.dtype == xp.int64 else xp.astype(labels, xp.int64)


def ranks(x: Array, xp: Any) -> Array:
    """Return each entry's place in its row, 0 for the largest; of ties the lowest index first."""
    descending = xp.argsort(x, axis=-1, descending=True, stable=True)
    return xp.argsort(descending, axis=-1)
