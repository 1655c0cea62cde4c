"""LUT networks in PyTorch: layers, stages, whole networks, and how they are trained."""

from lutlens.training.connections import FixedConnections, LearnedConnections
from lutlens.training.layers import LutLayer
from lutlens.training.network import LayerSpec, Network, NetworkSpec, StageSpec
from lutlens.training.stages import Encoder, GroupSum, Stage

__all__ = [
    "Encoder",
    "FixedConnections",
    "GroupSum",
    "LayerSpec",
    "LearnedConnections",
    "LutLayer",
    "Network",
    "NetworkSpec",
    "Stage",
    "StageSpec",
]
