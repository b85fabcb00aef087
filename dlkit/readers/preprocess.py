"""Scaling and whitening of features and targets, fitted on the training rows and kept in checkpoints.

range: (x - min) / (max - min); 8-bit images: x / 255. image: the same, with one minimum and maximum for all
columns. standard: (x - mean) / sd (sd with divisor n). channels: the same, with one mean and sd for each
colour channel of all pixels.
pca: z = (x - mean) V / sqrt(lambda + epsilon), with lambda, V the eigenvalues (largest first) and
eigenvectors of the covariance (divisor n - 1), so that z has unit covariance for epsilon = 0.
zca: the same turned back, z Vᵀ (Bell & Sejnowski 1997): whitened, and still looking like the data.
Columns that do not vary become 0. One-hot columns are left as they are.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from dlkit.errors import DataError

Kind = Literal["none", "range", "image", "channels", "standard", "pca", "zca"]
_BLOCK = 4096
_MOST_WHITENED = 8192


@dataclass
class TargetScale:
    """Standardisation of regression targets: y' = (y - mean) / sd, each target by its own."""

    mean: np.ndarray
    """(targets,) float64."""
    sd: np.ndarray
    """(targets,) float64; 1 where a target does not vary."""

    @classmethod
    def fit(cls, y: np.ndarray, name: str | None = None) -> "TargetScale":
        """y: (n, targets) in the file's units. Raises DataError where they are too large."""
        mean, sd = _moments(y)
        if not (np.isfinite(mean).all() and np.isfinite(sd).all()):
            raise DataError("the targets are too large to be standardised", where=name)
        return cls(mean, _nonzero(sd))

    def standardise(self, y: np.ndarray) -> np.ndarray:
        """(n, targets) in the file's units -> standardised."""
        return (y - self.mean) / self.sd

    def restore_mean(self, y: np.ndarray) -> np.ndarray:
        """Predicted means (n, targets) -> the file's units."""
        return np.asarray(y, np.float64) * self.sd + self.mean

    def restore_sd(self, sd: np.ndarray) -> np.ndarray:
        """Predicted standard deviations (n, targets) -> the file's units."""
        return np.asarray(sd, np.float64) * self.sd


@dataclass
class Preprocess:
    """y = x * scale + shift per column; for pca and zca then (y - mean) @ matrix on the numeric columns."""

    kind: Kind
    scale: np.ndarray
    """(width,) or (1,) float64."""
    shift: np.ndarray
    numeric: np.ndarray
    """(width,) bool: the columns that are whitened."""
    mean: np.ndarray | None = None
    """(numeric columns,) float64."""
    matrix: np.ndarray | None = None
    """(numeric columns, components) float64; zca: (numeric columns, numeric columns)."""
    targets: TargetScale | None = None

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        kind: Kind,
        *,
        numeric: np.ndarray | None = None,
        components: int | float | None = None,
        epsilon: float = 1e-5,
        channels: int | None = None,
        name: str | None = None,
    ) -> "Preprocess":
        """Fit on training rows x (n, width), uint8 or float.

        `numeric`: which columns are numbers (default: all). `components`: how many, or which share of the
        variance, pca and zca keep. `channels`: how many colours an image's pixels have, the last axis of a
        row. `name` is how errors call the data.
        Raises DataError where the numbers are too large or too many.
        """
        width = x.shape[1]
        numeric = np.ones(width, bool) if numeric is None else numeric
        scale, shift = np.ones(1), np.zeros(1)
        whitened = kind in {"pca", "zca"}
        if x.dtype == np.uint8 and kind in {"range", "image", "pca", "zca"}:
            scale = np.full(1, 1 / 255)
        elif kind == "channels":
            if channels is None:
                raise DataError("scale: channels is for images (see data.shape)", where=name)
            scale, shift = (np.tile(one, width // channels) for one in _affine_of_channels(x, channels))
        elif kind in {"range", "image", "standard"}:
            scale, shift = _affine(x, kind, numeric)
            scale, shift = np.where(numeric, scale, 1.0), np.where(numeric, shift, 0.0)
        fitted = cls(kind, scale, shift, numeric)
        if whitened and numeric.any():
            fitted.mean, fitted.matrix = _whitening(fitted, x, components, epsilon, name)
        for values in (fitted.scale, fitted.shift, fitted.matrix):
            if values is not None and not np.isfinite(values).all():
                raise DataError(f"the features are too large (or too small) for scale: {kind}", where=name)
        return fitted

    @property
    def is_affine(self) -> bool:
        """Is scale and shift all there is to do?"""
        return self.matrix is None

    @property
    def width(self) -> int:
        """Columns after preprocessing."""
        if self.matrix is None or self.kind == "zca":
            return len(self.numeric)
        return self.matrix.shape[1] + int((~self.numeric).sum())

    def apply(self, x: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
        """x (n, columns) as read -> (n, width) of `dtype`; pca: components first, then one-hot columns.

        Worked out in float64 by blocks of rows, but for 8-bit data that only need scale and shift.
        """
        out = np.empty((len(x), self.width), dtype)
        if x.dtype == np.uint8 and self.is_affine:
            np.multiply(x, self.scale.astype(dtype), out=out)
            out += self.shift.astype(dtype)
            return out
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(x), _BLOCK):
                rows = slice(start, start + _BLOCK)
                out[rows] = self._block(x[rows])
        return out

    def _block(self, x: np.ndarray) -> np.ndarray:
        scaled = self._scaled(x)
        if self.matrix is None:
            return scaled
        white = (scaled[:, self.numeric] - self.mean) @ self.matrix
        if self.kind == "zca":
            scaled[:, self.numeric] = white
            return scaled
        return np.concatenate([white, scaled[:, ~self.numeric]], axis=1)

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        return x * self.scale + self.shift

    def state(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return {
            "kind": self.kind,
            "scale": self.scale,
            "shift": self.shift,
            "numeric": self.numeric.astype(np.uint8),
            "mean": self.mean,
            "matrix": self.matrix,
            "target_mean": self.targets.mean if self.targets else None,
            "target_sd": self.targets.sd if self.targets else None,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Preprocess":
        """The inverse of `state`; raises KeyError or ValueError for what `state` never gives."""
        kind, scale, shift, numeric = (state[name] for name in ("kind", "scale", "shift", "numeric"))
        mean, matrix, centre, sd = (state[name] for name in ("mean", "matrix", "target_mean", "target_sd"))
        width = np.size(numeric)
        d = int(np.count_nonzero(numeric))
        components = d if kind == "zca" else np.shape(matrix)[-1] if np.ndim(matrix) else 0
        good = (
            kind in get_args(Kind),
            _floats(scale, (width,)) or _floats(scale, (1,)),
            _floats(shift, (width,)) or _floats(shift, (1,)),
            isinstance(numeric, np.ndarray) and numeric.shape == (width,) and numeric.dtype == np.uint8,
            (mean is None) == (matrix is None) == (kind not in {"pca", "zca"} or not d),
            mean is None or (_floats(mean, (d,)) and _floats(matrix, (d, components))),
            centre is None if sd is None else np.size(sd) and _floats(centre, (np.size(sd),)),
            sd is None or (_floats(sd, (np.size(sd),)) and bool((sd > 0).all())),
        )
        if not all(good):
            raise ValueError(f"a preprocessing that contradicts itself (rule {good.index(False) + 1})")
        targets = None if sd is None else TargetScale(centre, sd)
        return cls(kind, scale, shift, numeric.astype(bool), mean, matrix, targets)


def _floats(array: Any, shape: tuple[int, ...]) -> bool:
    """Is it an array of finite floats of this shape?"""
    if not isinstance(array, np.ndarray) or array.dtype != np.float64 or array.shape != shape:
        return False
    return bool(np.isfinite(array).all())


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (divisor n) of each column, in float64, by blocks."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean = sum(_rows64(x, start).sum(axis=0) for start in range(0, len(x), _BLOCK)) / len(x)
        squares = sum(((_rows64(x, start) - mean) ** 2).sum(axis=0) for start in range(0, len(x), _BLOCK))
        sd = np.sqrt(squares / len(x))
    # a constant column leaves rounding errors, not zero
    return mean, np.where(x.max(axis=0) == x.min(axis=0), 0.0, sd)


def _rows64(x: np.ndarray, start: int) -> np.ndarray:
    return x[start : start + _BLOCK].astype(np.float64)


def _nonzero(scale: np.ndarray) -> np.ndarray:
    return np.where(scale == 0, 1.0, scale)


def _affine(x: np.ndarray, kind: Kind, numeric: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(scale, shift) per column with x * scale + shift = (x - centre) / spread."""
    if kind in {"range", "image"}:
        centre = x.min(axis=0).astype(np.float64)
        with np.errstate(over="ignore"):
            spread = x.max(axis=0).astype(np.float64) - centre
        if kind == "image" and numeric.any():
            lowest, highest = centre[numeric].min(), (centre + spread)[numeric].max()
            centre, spread = np.full(len(centre), lowest), np.full(len(centre), highest - lowest)
    else:
        centre, spread = _moments(x)
    with np.errstate(over="ignore", invalid="ignore"):
        # an overflow must not pass for a scale of 0
        scale = 1 / np.where(np.isfinite(spread), _nonzero(spread), np.nan)
        return scale, -centre * scale


def _affine_of_channels(x: np.ndarray, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """(scale, shift) per channel from the moments of its pixels, by blocks of rows."""
    total = np.zeros(channels)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(x), _BLOCK):
            total += _rows64(x, start).reshape(-1, channels).sum(axis=0)
        mean = total / (x.size // channels)
        squares = np.zeros(channels)
        for start in range(0, len(x), _BLOCK):
            squares += ((_rows64(x, start).reshape(-1, channels) - mean) ** 2).sum(axis=0)
        scale = 1 / _nonzero(np.sqrt(squares / (x.size // channels)))
    return scale, -mean * scale


def _whitening(
    scaling: Preprocess, x: np.ndarray, components: int | float | None, epsilon: float, name: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and whitening matrix (d, components), or (d, d) for zca, of the numeric columns."""
    d = int(scaling.numeric.sum())
    if d > _MOST_WHITENED:
        raise DataError(f"whitening {d:,} columns is too much; the most is {_MOST_WHITENED:,}", where=name)
    starts = range(0, len(x), _BLOCK)

    def block(start: int) -> np.ndarray:
        return scaling._scaled(x[start : start + _BLOCK])[:, scaling.numeric]

    with np.errstate(over="ignore", invalid="ignore"):
        mean = sum((block(start).sum(axis=0) for start in starts), np.zeros(d)) / len(x)
        covariance = np.zeros((d, d))
        for start in starts:
            centred = block(start) - mean
            covariance += centred.T @ centred
        covariance /= max(len(x) - 1, 1)
    if not np.isfinite(covariance).all():
        raise DataError(f"the features are too large (or too small) for scale: {scaling.kind}", where=name)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    count = _component_count(values, components, name)
    values, vectors = values[:count], vectors[:, :count]
    # an eigenvector's sign is arbitrary: its largest entry is made positive, so that runs agree
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.where(vectors[largest, np.arange(count)] < 0, -1.0, 1.0)
    # directions in which the data do not vary are dropped, not divided by zero
    floor = np.finfo(np.float64).eps * d * (values[0] if count else 0)
    spread = np.sqrt(values + epsilon)
    white = vectors * np.divide(1, spread, out=np.zeros(count), where=values > floor)
    return mean, white @ vectors.T if scaling.kind == "zca" else white


def _component_count(values: np.ndarray, components: int | float | None, name: str | None) -> int:
    if components is None:
        return len(values)
    if isinstance(components, int):
        if components > len(values):
            raise DataError(f"{components} components of {len(values)} numeric columns", where=name)
        return components
    shares = np.cumsum(values) / max(values.sum(), np.finfo(np.float64).tiny)
    return min(int(np.searchsorted(shares, components, side="right")) + 1, len(values))
