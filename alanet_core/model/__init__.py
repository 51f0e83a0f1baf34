"""The network: encoder E, latent attention M, generator G. One file a stage; `alanet.py` puts them together."""

from alanet_core.model.alanet import Alanet
from alanet_core.model.clip import encode_clip, render
from alanet_core.model.identity import identity_model

__all__ = ["Alanet", "encode_clip", "identity_model", "render"]
