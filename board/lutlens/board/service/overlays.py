"""The overlays on offer: a fixed list, by name; a request's text never becomes a path."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from lutlens.board import pictures
from lutlens.board.classifier import LoadedOverlay
from lutlens.board.manifest import CARD_NAME, MANIFEST_NAME, Manifest, ManifestError
from lutlens.board.pipeline import Pipeline

MAX_CARD_BYTES = 256 << 10

log = logging.getLogger(__name__)


class OverlayBusy(RuntimeError):
    """Another overlay is being loaded."""


class OverlayFailed(RuntimeError):
    """An overlay could not be loaded; the message says why, and what runs now."""


class OverlayShelf:
    """Overlay directories by name, and how to load one.

    load: takes a directory and returns it, self-test passed, on the device in use.
    """

    def __init__(self, directories: Iterable[Path], load: Callable[[Path], LoadedOverlay]) -> None:
        self._load = load
        self._directories: dict[str, Path] = {}
        self._manifests: dict[str, Manifest] = {}
        self._changing = threading.Lock()
        for directory in directories:
            try:
                manifest = Manifest.load(directory)
            except ManifestError as error:
                log.warning("not offered: %s", error)
                continue
            if why := pictures.why_none(manifest.geometry):
                log.info("not offered: %s: %s", directory, why)
                continue
            self._directories.setdefault(manifest.name, directory)
            self._manifests.setdefault(manifest.name, manifest)

    @classmethod
    def beside(cls, directory: Path, load: Callable[[Path], LoadedOverlay]) -> OverlayShelf:
        """Offer the given overlay and those in the directories next to it."""
        directory = directory.resolve()
        others = sorted(path.parent for path in directory.parent.glob(f"*/{MANIFEST_NAME}"))
        return cls([directory, *others], load)

    @property
    def manifests(self) -> dict[str, Manifest]:
        return self._manifests

    @property
    def changing(self) -> bool:
        """Whether an overlay is being loaded right now."""
        return self._changing.locked()

    def card(self, name: str) -> str:
        """The model card's Markdown; empty if there is none to read."""
        directory = self._directories.get(name)
        if directory is None:
            return ""
        try:
            with (directory / CARD_NAME).open("rb") as f:
                return f.read(MAX_CARD_BYTES).decode("utf-8", errors="replace")
        except OSError:
            return ""

    def load(self, name: str, pipeline: Pipeline) -> LoadedOverlay:
        """Load an offered overlay and let the pipeline use it. Blocking, seconds.

        Loading replaces what is in the programmable logic, so recognition pauses meanwhile, and the
        overlay before is closed, even if its core hangs; if loading fails, that one comes back.
        Raises KeyError for a name that is not offered, OverlayBusy, OverlayFailed.
        """
        directory = self._directories[name]
        if not self._changing.acquire(blocking=False):
            raise OverlayBusy("another overlay is being loaded; try again when it is ready")
        before = pipeline.classifier.manifest.name
        paused = pipeline.paused
        try:
            # What is wrong with the files shows before the running core is touched.
            Manifest.load(directory).verify(directory)
            pipeline.pause()
            try:
                classifier = self._load(directory)
            except Exception as error:
                log.exception("%s does not load", directory)
                self._restore(before, pipeline)
                raise OverlayFailed(f"{name}: {error}; {before} runs on") from error
            pipeline.swap_classifier(classifier)
            return classifier
        except ManifestError as error:
            raise OverlayFailed(f"{error}; {before} runs on") from error
        finally:
            if not paused:
                pipeline.resume()
            self._changing.release()

    def _restore(self, name: str, pipeline: Pipeline) -> None:
        try:
            pipeline.swap_classifier(self._load(self._directories[name]))
        except Exception as error:
            log.exception("%s does not come back", name)
            raise OverlayFailed(f"nor does {name} load any more: {error}") from error
