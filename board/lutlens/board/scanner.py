"""The kind of overlay that scans whole frames, for every window of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from lutlens.board import registers as reg
from lutlens.board import scanning
from lutlens.board.classifier import Images, LoadedOverlay, Results
from lutlens.board.driver import PATIENCE_S, LutlensDriver
from lutlens.board.manifest import Manifest, ScanGeometry
from lutlens.board.rings import slots_for
from lutlens.board.streams import Core, Size, Stream

SCAN_SLOTS = 16
MOSAIC_WIDTH = 640
"""Of the frames that single images are laid out in, at most; pixels."""


class Scanner(LoadedOverlay):
    """A core that scans frames.

    step: rows and columns of pixels from one window to the next.
    image: a window's height and width.
    background: the class of windows that show nothing; None if the network has none.
    max_positions: windows of a frame that can be scanned in several passes.
    """

    def __init__(
        self, manifest: Manifest, driver: LutlensDriver, device_name: str, clock_mhz: float
    ) -> None:
        super().__init__(manifest, driver, device_name, clock_mhz)
        geometry, scan = manifest.geometry, manifest.geometry.scan
        assert isinstance(scan, ScanGeometry)
        self._scan = scan
        self.step = scan.step_y, scan.step_x
        self.image = geometry.image_height, geometry.image_width
        self.background = scan.background
        self.max_positions = scan.max_positions
        self._core = Core(driver, self._lock)

    def map_size(self, width: int, height: int) -> tuple[int, int]:
        """Rows and columns of windows in a frame."""
        rows, columns = (
            (length - window) // step + 1
            for length, window, step in zip((height, width), self.image, self.step, strict=True)
        )
        return rows, columns

    def stream(
        self,
        sizes: Sequence[Size],
        k: int | None = None,
        *,
        frames: int | None = None,
        min_margin: int = 1,
    ) -> Stream:
        """A way for frames through the core; several may be open, and take turns at it.

        sizes: width and height of each scale of a frame set, which is one frame of each.
        k: passes. Default: the fewest that there are thresholds for.
        frames: room for so many frames under way, all scales counted. Default: two sets.
        min_margin: of peaks that results list.

        Raises ValueError for sizes or a K that the core cannot do.
        """
        levels = self._levels(k)
        self._check_sizes(sizes, len(levels))
        largest = max(rows * columns for rows, columns in (self.map_size(*s) for s in sizes))
        with self._lock:
            self._check_open()
            return Stream(
                self._core,
                sizes,
                levels,
                slots=slots_for(2 * len(sizes) if frames is None else frames),
                max_windows=self._scan.max_windows,
                result_bytes=scanning.slot_bytes(largest, self._scan.max_windows),
                settings={
                    reg.MIN_MARGIN: min(max(1, min_margin), scanning.MAX_SCORE),
                    reg.BACKGROUND: scanning.NO_BACKGROUND
                    if self.background is None
                    else self.background,
                },
            )

    def scan(
        self, frames: Images, k: int | None = None, timeout_s: float = PATIENCE_S
    ) -> scanning.Cells:
        """Every window's cell, uint32 `[n, rows, columns]`, of frames of one size, uint8 `[n, h, w]`.

        timeout_s: how long to wait without a single one being finished.
        Raises ValueError for a size or a K that the core cannot do, CoreError, CoreTimeout.
        """
        if frames.dtype != np.uint8 or frames.ndim != 3:
            raise ValueError(
                f"frames: {frames.dtype} {list(frames.shape)}, must be uint8 [n, h, w]"
            )
        size = frames.shape[2], frames.shape[1]
        rows, columns = self.map_size(*size)
        slots = min(SCAN_SLOTS, max(1, len(frames)))
        with self._lock, self.stream([size], k, frames=slots) as stream:
            results = stream.run(frames, timeout_s)
        start = scanning.map_offset(self._scan.max_windows)
        end = start + rows * columns * scanning.CELL_BYTES
        found: scanning.Cells = np.ascontiguousarray(results[:, start:end]).view("<u4")
        return found.reshape(len(frames), rows, columns)

    def classify(
        self, images: Images, k: int | None = None, timeout_s: float = PATIENCE_S
    ) -> Results:
        """As every overlay does; the images lie side by side in frames that are scanned.

        Results have no `scores`: the core keeps the best one of a window only.
        """
        self._levels(k)
        self._check_images(images)
        mosaics, columns = self._mosaics(images)
        found = self.scan(mosaics, k, timeout_s)[:, 0, columns].reshape(-1)[: len(images)]
        return Results(
            scanning.cell_class(found),
            scanning.cell_margin(found),
            scanning.cell_score(found),
            None,
        )

    def _mosaics(self, images: Images) -> tuple[Images, npt.NDArray[np.intp]]:
        """Frames one window high, and the column of each of their images' windows."""
        height, width = self.image
        step = self.step[1]
        pitch = -(-width // step) * step  # every image begins where a window does
        limit = min(MOSAIC_WIDTH, self.manifest.geometry.max_width) // scanning.WIDTH_STEP
        widest = max(limit * scanning.WIDTH_STEP, _padded(width))
        fit = (widest - width) // pitch + 1
        each = max(1, min(fit, len(images)))
        count = -(-len(images) // each)
        mosaics = np.zeros((count, height, _padded((each - 1) * pitch + width)), np.uint8)
        for i in range(each):
            column = images[i::each]
            mosaics[: len(column), :, i * pitch : i * pitch + width] = column
        return mosaics, np.arange(each) * (pitch // step)

    def _check_sizes(self, sizes: Sequence[Size], passes: int) -> None:
        geometry = self.manifest.geometry
        if not 1 <= len(sizes) <= scanning.MAX_SCALES:
            raise ValueError(f"sizes: {len(sizes)}, must be 1 to {scanning.MAX_SCALES}")
        for width, height in sizes:
            least, most = _padded(geometry.image_width), geometry.max_width
            if width % scanning.WIDTH_STEP or not least <= width <= most:
                raise ValueError(
                    f"sizes: {width} pixels wide, must be {least} to {most} in steps of "
                    f"{scanning.WIDTH_STEP}"
                )
            if not geometry.image_height <= height <= MAX_HEIGHT:
                raise ValueError(
                    f"sizes: {height} pixels high, must be {geometry.image_height} to {MAX_HEIGHT}"
                )
            rows, columns = self.map_size(width, height)
            if passes > 1 and rows * columns > self._scan.max_positions:
                raise ValueError(
                    f"sizes: {width}x{height} has {rows * columns} windows; in more than one pass "
                    f"the core adds scores of at most {self._scan.max_positions}"
                )

    def _free(self) -> None:
        self._core.close()


MAX_HEIGHT = 8192


def _padded(width: int) -> int:
    return -(-width // scanning.WIDTH_STEP) * scanning.WIDTH_STEP
