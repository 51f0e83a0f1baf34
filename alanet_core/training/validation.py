"""A small look at a network while it trains: synthetic clips made from photographs that it never sees."""

import torch
from torch import Tensor

from alanet_core.training.metrics import mean_psnr, mse
from alanet_core.training.photos import PhotoSet
from alanet_core.training.samples import SampleConfig, SampleMaker
from alanet_core.training.state import TrainState
from alanet_core.training.step import forward_middle

_SEED = 95
_FASTEST = 10.0  # pixels per interval: about the motion of real clips


class Validation:
    """A fixed set of samples, and the averaged network's PSNR on them, all blurred and all sharp, beside baselines."""

    def __init__(self, photos: PhotoSet, *, frames: int, size: int = 128, count: int = 24) -> None:
        config = SampleConfig(
            frames=frames, size=size, fastest=_FASTEST, sharp_share=0, short_share=0, clip_share=0, linear_share=0
        )
        maker = SampleMaker(config, _SEED, photos)
        self._frames = frames
        self._samples = torch.stack([maker[i] for i in range(count)])

    def __call__(self, state: TrainState) -> dict[str, float]:
        """PSNR in dB, means over the samples; "gain" is over the input (sharp) and over the blend (middle)."""
        n, count = self._frames // 2 - 1, self._frames
        blurry, sharp, middle = torch.split(self._samples, [count, count, count - 1], 1)
        figures: dict[str, float] = {}
        for name, inputs in (("blurred", blurry), ("unblurred", sharp)):
            made_sharp, made_middle = self._render(state, inputs)
            blend = (inputs[:, n].float() + inputs[:, n + 1].float()) / 2
            ours, base = _mean_psnr(made_middle, middle[:, n]), _mean_psnr(blend, middle[:, n])
            figures |= {f"middle_{name}": ours, f"middle_{name}_gain": ours - base}
            ours, base = _mean_psnr(made_sharp[:, 0], sharp[:, n]), _mean_psnr(inputs[:, n].float(), sharp[:, n])
            figures[f"sharp_{name}"] = ours
            if name == "blurred":
                figures["sharp_blurred_gain"] = ours - base
        return {name: round(value, 3) for name, value in figures.items()}

    @torch.no_grad()
    def _render(self, state: TrainState, inputs: Tensor) -> tuple[Tensor, Tensor]:
        device = state.average.device
        sharp, middle = [], []
        for part in inputs.split(8):  # type: ignore[no-untyped-call]
            with torch.autocast(device.type, torch.bfloat16, enabled=state.config.precision == "bf16"):
                made = forward_middle(state.average, part.to(device).float().div_(255))
            sharp.append(made.sharp.clamp(0, 1).mul_(255).cpu())
            middle.append(made.middle.clamp(0, 1).mul_(255).cpu())
        return torch.cat(sharp), torch.cat(middle)


def _mean_psnr(made: Tensor, wanted: Tensor) -> float:
    return mean_psnr([mse(a, b, peak=255) for a, b in zip(made, wanted, strict=True)])
