"""TrainConfig: how a network is trained; frozen, checked when made, and stored with the state of a run."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from alanet_core.errors import ConfigError, must
from alanet_core.training.pool import NOISE_SHARE
from alanet_core.training.samples import SampleConfig

Part = Literal["all", "restore"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides what training does, apart from the network's shape and the pictures.

    The paper trains with Adam, rate 1e-4, weight decay 5e-4, batch 2. With batch 12 of small crops a rate of 3e-4
    was measured to learn deblurring at once, where 1e-3 made the loss leap and learnt none; AdamW takes the decay out
    of the moments.

    batch: samples a step. rate: of AdamW, after `warm_up` steps; constant, until over the last `cool_down` of a
    session (a share of its budget) it falls to a fiftieth by a cosine. clip: largest norm of a gradient. average:
    decay of the moving average of weights, which is what ships. head_start: how many steps the first weights count for
    in it: 0 where they are random, so that the average leaves them quickly. perceptual: weight of the second term of
    eq. 8. all_blurred: steps at the start in which no frame is left sharp. precision: of convolutions while training.
    part: "restore" to leave all weights as they are but those of the passes that undo what is left of the blur; a
    picture that comes to them is then made without gradients. reuse: how often each sample is drawn. pool: how many
    samples are kept. deterministic: the same run twice gives the same numbers; on a CPU only.
    """

    seed: int = 0
    batch: int = 12
    rate: float = 3e-4
    weight_decay: float = 1e-4
    warm_up: int = 200
    cool_down: float = 0.2
    clip: float = 0.3
    average: float = 0.999
    head_start: int = 0
    perceptual: float = 0.0
    all_blurred: int = 0
    precision: Literal["fp32", "bf16"] = "bf16"
    part: Part = "all"
    noise_share: float = NOISE_SHARE
    reuse: float = 4.0
    pool: int = 1024
    deterministic: bool = False
    samples: SampleConfig = field(default_factory=SampleConfig)

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ConfigError(must("batch", "1 or more", self.batch, "use 12"))
        if not self.rate > 0:
            raise ConfigError(must("rate", "above 0", self.rate, "use 3e-4"))
        if not 0 <= self.cool_down <= 1:
            raise ConfigError(must("cool_down", "between 0 and 1", self.cool_down, "use 0.2"))
        if not 0 <= self.average < 1:
            raise ConfigError(must("average", "at least 0 and below 1", self.average, "use 0.999"))
        if not self.clip > 0:
            raise ConfigError(must("clip", "above 0", self.clip, "use 0.3"))
        if self.precision not in ("fp32", "bf16"):
            raise ConfigError(must("precision", "fp32 or bf16 for training", self.precision, "use bf16"))
        if self.part not in PARTS:
            raise ConfigError(must("part", f"one of {', '.join(PARTS)}", self.part, "use all"))
        if self.all_blurred < 0:
            raise ConfigError(must("all_blurred", "0 or more", self.all_blurred, "use 400"))
        if self.reuse < 1:
            raise ConfigError(must("reuse", "1 or more", self.reuse, "1 draws each sample about once"))

    def to_json(self) -> str:
        """One line of JSON, keys in order."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json` after json.loads. Raises ConfigError for keys that this version does not know."""
        known = {f.name for f in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(
                must(
                    "configuration",
                    f"made of {', '.join(sorted(known))}",
                    ", ".join(unknown),
                    "update alanet: this run was begun by a newer version",
                )
            )
        return cls(**{**values, "samples": SampleConfig(**values.get("samples", {}))})
