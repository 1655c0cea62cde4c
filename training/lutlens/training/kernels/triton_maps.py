"""OR over blocks of positions on a GPU, in Triton; the definition is in reference.py.

Maps are `[height, width, channels, batch]`; signals and samples are as in triton_lookup.py.
"""

# Triton has no types; what its decorator makes of a function is not to be called from Python anyway.
# mypy: disable-error-code="untyped-decorator, no-any-return"

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _corner(block: tl.tensor, columns: tl.tensor, width: tl.tensor, ROWS: int, COLUMNS: int) -> int:
    """The position of a block's first cell."""
    return block // columns * ROWS * width + block % columns * COLUMNS


@triton.jit
def forward(
    x: tl.tensor,
    y: tl.tensor,
    width: tl.tensor,
    columns: tl.tensor,
    channels: tl.tensor,
    batch: tl.tensor,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    SAMPLES: tl.constexpr,
) -> None:
    """Grid: blocks * channels, samples. columns: blocks in a row of them."""
    out = tl.program_id(0)
    corner = _corner(out // channels, columns, width, ROWS, COLUMNS)
    sample = tl.program_id(1) * SAMPLES + tl.arange(0, SAMPLES)
    inside = sample < batch
    found = tl.zeros((SAMPLES,), tl.uint8)
    for i in tl.static_range(ROWS):
        for j in tl.static_range(COLUMNS):
            row = ((corner + i * width + j) * channels + out % channels).to(tl.int64)
            found |= tl.load(x + row * batch + sample, mask=inside, other=0)
    tl.store(y + out.to(tl.int64) * batch + sample, found & 128, mask=inside)


@triton.jit
def backward(
    gradient: tl.tensor,
    x: tl.tensor,
    to_x: tl.tensor,
    width: tl.tensor,
    columns: tl.tensor,
    channels: tl.tensor,
    batch: tl.tensor,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    FLIP: tl.constexpr,
    SAMPLES: tl.constexpr,
) -> None:
    """As forward; positions in no block are left as they are."""
    out = tl.program_id(0)
    corner = _corner(out // channels, columns, width, ROWS, COLUMNS)
    sample = tl.program_id(1) * SAMPLES + tl.arange(0, SAMPLES)
    inside = sample < batch
    product = tl.load(gradient + out.to(tl.int64) * batch + sample, mask=inside, other=0.0)
    for i in tl.static_range(ROWS):
        for j in tl.static_range(COLUMNS):
            row = ((corner + i * width + j) * channels + out % channels).to(tl.int64)
            signal = tl.load(x + row * batch + sample, mask=inside, other=0)
            product *= tl.where(signal >= 128, FLIP, 1 - FLIP)
    for i in tl.static_range(ROWS):
        for j in tl.static_range(COLUMNS):
            row = ((corner + i * width + j) * channels + out % channels).to(tl.int64)
            signal = tl.load(x + row * batch + sample, mask=inside, other=0)
            others = product * tl.where(signal >= 128, 1 / FLIP, 1 / (1 - FLIP))
            tl.store(to_x + row * batch + sample, others, mask=inside)
