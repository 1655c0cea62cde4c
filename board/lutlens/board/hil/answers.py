"""Does it answer what the network answers, to the bit, and recognise as many images as its card says?"""

from __future__ import annotations

import time

import numpy as np
from lutlens.board.hil.bench import Bench, CheckFailed, Found, NotApplicable, Skipped
from lutlens.board.hil.reference import Reference

BATCH, FEW = 1000, 10
NO_IMAGES = "there are no test images: LUTLENS_DATA or --data says where they are"


def golden(bench: Bench) -> Found:
    """The golden vectors that ship with the overlay, at every K."""
    vectors = bench.vectors
    for k in vectors.answers:
        bench.tell(f"K = {k}")
        vectors.ask(bench.overlay, k, patience_s=bench.patience_s)
    what = "frames" if vectors.scans else "images"
    ks = ", ".join(map(str, vectors.answers))
    return Found(f"{len(vectors.inputs)} golden {what} at K = {ks}: every bit is right")


def images(bench: Bench) -> Found:
    """All test images at the fewest and the most passes: every answer is the generated C's."""
    reference = _reference(bench)
    figures: dict[str, float | int] = {"images": len(reference)}
    step = FEW if bench.few else BATCH
    for k in reference.answers:
        began, classes = time.perf_counter(), []
        for first in range(0, len(reference), step):
            chosen = slice(first, first + step)
            found = reference.ask(bench.overlay, k, chosen, bench.patience_s)
            classes.append(found.classes)
            done = min(first + step, len(reference))
            bench.tell(f"K = {k}: {done:,} of {len(reference):,} images")
        seconds = time.perf_counter() - began
        bench.seen[k] = np.concatenate(classes)
        figures[f"end_to_end_images_per_s_k{k}"] = round(len(reference) / seconds, 1)
    what = "classes, margins and best scores" if bench.vectors.scans else "scores"
    ks = " and ".join(map(str, reference.answers))
    return Found(
        f"{len(reference):,} images of {reference.name} at K = {ks}: all {what} are right", figures
    )


def accuracy(bench: Bench) -> Found:
    """As many test images are recognised as the manifest says, not one more or less."""
    reference = _reference(bench)
    stated = {
        k: bench.manifest.accuracy[k] for k in reference.answers if k in bench.manifest.accuracy
    }
    if not stated:
        raise NotApplicable("overlay.json states no accuracy")
    if len(reference) < reference.of:
        reason = f"{len(reference)} of {reference.of:,} test images were tried; accuracy is of all"
        raise NotApplicable(reason) if bench.few else Skipped(reason)
    provenance = bench.manifest.provenance
    data = provenance.get("data"), provenance.get("data_sha256")
    if data != (reference.name, reference.sha256):
        raise Skipped(f"{reference.name} is not the data that overlay.json's accuracy is of")
    missing = sorted(set(stated) - set(bench.seen))
    if missing:
        raise Skipped(f"check images did not get through all images at K = {missing[0]}")
    figures: dict[str, float] = {}
    for k, fraction in stated.items():
        right, n = int((bench.seen[k] == reference.labels).sum()), len(reference)
        if abs(right - fraction * n) > 1e-3:  # a count; the rest is rounding
            raise CheckFailed(
                f"K = {k}: {right:,} of {n:,} images are recognised, {right / n:.4f}; "
                f"overlay.json says {fraction:.4f}"
            )
        figures[f"accuracy_k{k}"] = right / n
    shown = ", ".join(f"{100 * fraction:.2f} % at K = {k}" for k, fraction in stated.items())
    return Found(f"{shown}, exactly as overlay.json says", figures)


def _reference(bench: Bench) -> Reference:
    if bench.reference is None:
        raise Skipped(NO_IMAGES)
    return bench.reference
