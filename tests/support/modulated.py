"""The networks around whose modulators `cocotb_modulator` and its runner are built."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
from lutlens.host.lutnet import Layer, Lutnet, Stage
from lutlens.host.modulation import Modulator, ModulatorName


def modulated(kind: str) -> Lutnet:
    """Of images that are higher and wider than a matrix, and whose lines are beats of one pixel or of eight."""
    shape = (17, 24, 1)
    layer = Layer(np.array([1, 2], np.uint64), np.array([[0], [1]], np.int32))
    levels = np.array([[40, 128, 200]], np.uint8)
    net = Lutnet(shape, 3, {1: levels}, (Stage(shape[:2], (layer,)),), ("a", "b"))
    return replace(net, modulator=Modulator(kind=cast(ModulatorName, kind), swing=77))
