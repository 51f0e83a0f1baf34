"""Pictures made ready for the passes that undo blur, and kept: all before the passes stays as it is while they learn.

Making them costs more than a step of the passes does, so each is used several times. As with samples, what step s sees
depends on s and the seed alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from alanet_core.latent import Core, Latent
from alanet_core.model import Alanet
from alanet_core.model.fine import Scene
from alanet_core.model.guided import Traced
from alanet_core.training.losses import middle_loss, sharp_loss
from alanet_core.training.pool import Batch, SamplePool
from alanet_core.training.settings import TrainConfig
from alanet_core.training.step import Losses, of_all, passed, trace_middle


@dataclass(frozen=True)
class Ready:
    """Pictures as they come to the passes, what is wanted, both [B,3,H,W], and what passes read of their scenes.

    own: [B,1,H,W] brightness of the frame that was filmed, none for middle frames; a, b: of the neighbours. flow:
    [B,4,h,w]. gates: [B,1] or, of middle frames, [B,2].
    """

    picture: Tensor
    wanted: Tensor
    a: Tensor
    b: Tensor
    flow: Tensor
    gates: Tensor
    own: Tensor | None = None

    @classmethod
    def of(cls, traced: Traced, wanted: Tensor) -> "Ready":
        """Of what a generator made without gradients."""
        scene = traced.scene
        return cls(
            picture=traced.picture,
            wanted=wanted,
            a=scene.a.light[0],
            b=scene.b.light[0],
            own=scene.own.light[0] if scene.own else None,
            flow=scene.flow,
            gates=scene.gates,
        )

    @property
    def scene(self) -> Scene:
        """As the passes take it; what they do not read is empty."""
        none = self.picture[:, :0]

        def frame(light: Tensor) -> Latent:
            return Latent(Core(none, none), (), self.picture.view_as(self.picture), (light,))

        return Scene(
            own=None if self.own is None else frame(self.own),
            a=frame(self.a),
            b=frame(self.b),
            flow=self.flow,
            folded=none,
            gates=self.gates,
            taps=(),
            detail=0,
            side=self.picture.shape[3] // self.flow.shape[3],
            unfolds=1,
        )

    def each(self) -> "list[Ready]":
        """One by one."""
        return [Ready(**{name: x[n : n + 1] for name, x in self._tensors()}) for n in range(len(self.picture))]

    def joined(self, others: "Sequence[Ready]") -> "Ready":
        """The inverse of `each`: this one, and others of its kind after it."""
        return Ready(**{name: torch.cat((x, *(getattr(one, name) for one in others))) for name, x in self._tensors()})

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        return ((name, x) for name, x in vars(self).items() if x is not None)


@torch.no_grad()
def ready(model: Alanet, batch: Batch) -> tuple[Ready, Ready]:
    """The sharp frames that have targets, both of each sample side by side, and the middle ones."""
    n = model.config.lookahead
    sharp, middle = trace_middle(model, batch.inputs, batch.blurred * (batch.visible > 0))
    assert isinstance(sharp, Traced)
    assert isinstance(middle, Traced)
    wanted = torch.cat((batch.sharp[:, n], batch.sharp[:, n + 1]))
    return Ready.of(sharp, wanted), Ready.of(middle, batch.middle[:, n])


def ready_losses(model: Alanet, sharp: Ready, middle: Ready, *, perceptual: float) -> Losses:
    """As `step_losses` has them, of pictures that are ready for the passes."""
    of_sharp, of_middle = (
        of_all(loss, passed(model, each.picture, each.scene), each.wanted, perceptual)
        for loss, each in ((sharp_loss, sharp), (middle_loss, middle))
    )
    none = of_sharp.new_zeros(())
    return Losses(sharp=of_sharp, middle=of_middle, flow=none, verdict=none)


class ReadyPool:
    """Draws pictures for the passes from a window over the endless row of batches; in the place of a `SamplePool`."""

    def __init__(
        self,
        samples: SamplePool,
        model: Alanet,
        config: TrainConfig,
        *,
        reuse: int = 6,
        keep: int = 96,
    ) -> None:
        """reuse: steps for which a batch is made; keep: how many batches are kept, each 2 MB a sample of 128x128."""
        self._samples, self._model, self._config = samples, model, config
        self._reuse, self._keep = reuse, keep
        self._kept: dict[int, tuple[list[Ready], list[Ready]]] = {}

    def draw(self, step: int) -> tuple[Ready, Ready]:
        """Twice as many sharp frames as middle ones, as samples have them."""
        newest = min(self._keep // 4, step) + step // self._reuse
        window = range(max(0, newest - self._keep + 1), newest + 1)
        self._kept = {k: self._kept.get(k) or self._make(k) for k in window}
        rng = np.random.default_rng([self._config.seed, 2, step])
        sharp, middle = (self._drawn(rng, kind, count * self._config.batch) for kind, count in ((0, 2), (1, 1)))
        return sharp, middle

    def _drawn(self, rng: np.random.Generator, kind: int, count: int) -> Ready:
        from_batches = [self._kept[int(k)][kind] for k in rng.choice(list(self._kept), count)]
        first, *others = (pictures[int(rng.integers(len(pictures)))] for pictures in from_batches)
        return first.joined(others)

    def _make(self, number: int) -> tuple[list[Ready], list[Ready]]:
        batch = self._samples.draw(number).to(self._model.device)
        with torch.autocast(self._model.device.type, torch.bfloat16, enabled=self._config.precision == "bf16"):
            sharp, middle = ready(self._model, batch)
        return sharp.each(), middle.each()

    def close(self) -> None:
        """Let the worker processes go."""
        self._samples.close()
