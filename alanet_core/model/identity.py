"""A network that changes nothing: sharp is the input, middle the mean of two. For tests of all that lies around it."""

from alanet_core.config import ModelConfig
from alanet_core.model.alanet import Alanet
from alanet_core.model.blocks import zero


def identity_model(window: int = 3) -> Alanet:
    """A tiny member of the family whose corrections are all zero, in float32 on the CPU, in eval mode."""
    config = ModelConfig(window=window, channels=(2, 2), kernels=(1, 1), gate_reduction=2, residual=True)
    model = Alanet(config, "identity")
    for generator in (model.sharp, model.middle):
        zero(generator.get_submodule("picture"))
    return model.eval()
