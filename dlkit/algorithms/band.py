"""The predictive band of a one-dimensional regression, drawn and, epoch by epoch, animated.

Mean and one and two standard deviations of the Monte-Carlo-dropout predictive distribution over a
grid of inputs, with the training rows: narrow where there are data, wide where there are none.
"""

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from dlkit.algorithms.mc_dropout import regression_spread
from dlkit.errors import UsageError
from dlkit.readers.dataset import Dataset
from dlkit.recipe.schema import Spec

if TYPE_CHECKING:
    from dlkit.algorithms.supervised import Supervised


class BandSpec(Spec):
    """Where the band is drawn and how often a frame of the animation is kept."""

    low: float = Field(description="Smallest input of the picture.")
    high: float = Field(description="Largest input of the picture.")
    points: int = Field(200, ge=2, le=100_000, description="Inputs between low and high.")
    samples: int = Field(100, ge=1, description="Dropout passes for each input.")
    every: int = Field(0, ge=0, description="Epochs between frames of training.gif; 0: no animation.")


class Band:
    """Keeps the frames and draws; `model` answers for the grid."""

    def __init__(self, spec: BandSpec, model: "Supervised") -> None:
        schema = model.schema
        if schema.task != "regression" or schema.input_shape != (1,) or len(schema.targets) != 1:
            raise UsageError("a band needs a regression with one input column and one target", where="band")
        if not model.preprocess.is_affine:
            raise UsageError("a band needs scale: none, range or standard", where="band")
        self.spec, self.model = spec, model
        self.x = np.linspace(spec.low, spec.high, spec.points)
        self.frames: list[np.ndarray] = []
        self.epochs: list[int] = []

    def curve(self) -> np.ndarray:
        """(points, 4): mean, epistemic, aleatoric and total standard deviation at each grid input."""
        x = self.model.preprocess.apply(self.x[:, None], self.model.context.backend.dtype)
        rows = self.model._rows(Dataset(x, None, "band"))
        spread = regression_spread(*self.model._moments(rows, self.spec.samples))
        parts = (spread.mean, spread.epistemic, spread.aleatoric, spread.total)
        return np.stack([part[:, 0] for part in parts], axis=1)

    def after_epoch(self, epoch: int) -> None:
        """Keep a frame where one is due; early frames count most, so the first epoch is always one."""
        if self.spec.every and (epoch == 1 or epoch % self.spec.every == 0):
            self.frames.append(self.curve()[:, :2].astype(np.float32))
            self.epochs.append(epoch)

    def state(self) -> dict[str, Any]:
        shape = (0, self.spec.points, 2)
        frames = np.stack(self.frames) if self.frames else np.zeros(shape, np.float32)
        return {"frames": frames, "epochs": np.array(self.epochs, np.int64)}

    def load(self, state: dict[str, Any]) -> None:
        self.frames, self.epochs = list(state["frames"]), state["epochs"].tolist()

    # -- files -------------------------------------------------------------------------------------
    def artifacts(self) -> Iterable[tuple[str, str | bytes]]:
        """band.csv always; band.png and training.gif where matplotlib is installed."""
        curve = self.curve()
        lines = ["x,mean,epistemic_std,aleatoric_std,std"]
        lines += [",".join(repr(float(v)) for v in (x, *row)) for x, row in zip(self.x, curve, strict=True)]
        yield "band.csv", "\n".join(lines) + "\n"
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            self.model.context.log('band.png is not drawn: pip install "dlkit[report]"')
            return
        yield "band.png", self._picture(curve)
        if self.frames:
            yield "training.gif", self._animation()

    def _axes(self) -> Any:
        """Figure and axes whose limits hold data and final curve, so that frames do not jump."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), dpi=100, layout="constrained")
        axes = figure.add_subplot()
        data = self.model.data.train
        low, high = float(np.min(self._targets())), float(np.max(self._targets()))
        margin = 0.6 * (high - low)
        axes.set(xlim=(self.spec.low, self.spec.high), ylim=(low - margin, high + margin))
        axes.set(xlabel=self.model.schema.columns[0], ylabel=self.model.schema.targets[0])
        preprocess = self.model.preprocess
        x = (data.x[:, 0] - preprocess.shift) / preprocess.scale
        axes.plot(x, self._targets(), "o", ms=3.5, color="#1f4e79", label="training rows", zorder=3)
        return figure, axes

    def _targets(self) -> np.ndarray:
        return self.model._targets(self.model.train)[:, 0]

    def _draw(self, axes: Any, mean: np.ndarray, sd: np.ndarray) -> list[Any]:
        style = {"color": "#e07b39", "lw": 0}
        bands = [
            axes.fill_between(self.x, mean - k * sd, mean + k * sd, alpha=alpha, label=f"{k} sd", **style)
            for k, alpha in ((2, 0.22), (1, 0.30))
        ]
        return [*bands, *axes.plot(self.x, mean, color="#b3450b", lw=1.6, label="mean")]

    def _picture(self, curve: np.ndarray) -> bytes:
        figure, axes = self._axes()
        self._draw(axes, curve[:, 0], curve[:, 1])
        axes.set_title(f"what the model does not know: {self.spec.samples} dropout passes", fontsize=10)
        axes.legend(loc="upper left", fontsize=8)
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None})
        return out.getvalue()

    def _animation(self) -> bytes:
        """One frame of the GIF for each kept epoch; the last one stays longer."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        figure, axes = self._axes()
        canvas = FigureCanvasAgg(figure)
        pictures = []
        for epoch, frame in zip(self.epochs, self.frames, strict=True):
            drawn = self._draw(axes, frame[:, 0], frame[:, 1])
            axes.set_title(f"epoch {epoch}", fontsize=10)
            canvas.draw()
            rgb = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
            pictures.append(rgb.quantize(64))
            for artist in drawn:
                artist.remove()
        out = io.BytesIO()
        durations = [120] * (len(pictures) - 1) + [2000]
        pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
        return out.getvalue()
