"""Whole frames through the whole programmable logic of scan builds, bit for bit as the C says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from lutlens.board import registers as reg
from lutlens.host.devices.ddr import Ddr
from lutlens.host.devices.rtl import STALLS, Rtl, compile_pl
from lutlens.host.registers import Scan
from lutlens.host.rtl import Build
from support.networks import random_lutnet
from support.scan_core import ScanCore

pytestmark = pytest.mark.rtl

# Windows of 11 x 10 pixels with strides, 5 classes, 2 encoder bits; few windows, so that many more
# are found than listed.
LUTNET = random_lutnet(1, stages=2, encoder_bits=2, classes=5, degenerate=0.1)
SCAN = Scan(max_positions=600, max_windows=7)
SIZES = ((11, 64), (20, 128), (32, 64))


@pytest.fixture(params=[1, 2, 4, 8])
def core(request: pytest.FixtureRequest) -> Iterator[ScanCore]:
    build = Build(max_width=128, pixels_per_clock=request.param, scan=SCAN)
    ddr = Ddr()
    logic = Rtl(compile_pl(LUTNET, build), ddr, STALLS["heavy"], seed=request.param)
    yield ScanCore(logic, LUTNET, SCAN, ddr, SIZES)
    logic.close()


def test_frames_of_several_sizes(core: ScanCore) -> None:
    rng = np.random.default_rng(1)
    for k, background, min_margin, packed in (
        (1, None, 0, False),
        (3, 2, 2, False),
        (1, 0, 1, True),
        (3, None, 1, True),
    ):
        levels = rng.integers(0, 255, (k, LUTNET.encoder_bits), np.uint8)
        core.configure(levels, background=background, min_margin=min_margin, packed=packed)
        core.run(7)
    assert core.logic.read(reg.FRAMES_OUT) == 28
    assert core.logic.read(reg.STATUS) == 0
