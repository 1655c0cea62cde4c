"""LUT networks in PyTorch: layers, stages, whole networks, and how they are trained."""

import os

# Before PyTorch is loaded: its threads must not spin while they wait. On a machine that others use
# too, spinning costs up to a factor of 100.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

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
