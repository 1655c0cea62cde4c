"""From a training's best network to a lutnet: thresholds, measured accuracy, provenance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lutlens.host.lutnet import Lutnet
from lutlens.training.backgrounds import generated
from lutlens.training.data import Labelled
from lutlens.training.engines import fast_scores
from lutlens.training.evaluate import choose_thresholds, evaluate, ramp
from lutlens.training.loop import Trainer
from lutlens.training.recipes import ScanRecipe
from lutlens.training.scene_evaluation import (
    VALIDATION,
    VALIDATION_SCENES,
    evaluate_scenes,
    scan,
)


def publish(
    trainer: Trainer,
    out: Path,
    *,
    measure: bool = True,
    report: Callable[[str], None] = lambda text: None,
) -> Lutnet:
    """Write the best network so far as a lutnet.

    Thresholds for every K of the recipe are chosen on validation images; then, and only then, the
    test images are looked at, once for each K.

    measure: whether to look at the test images at all; an unfinished training should not.
    report: told what is going on, a line each time.
    """
    data, run = trainer.data, trainer.run
    network = trainer.best_network()
    even = {k: ramp(k, network.spec.encoder_bits, 0, 255) for k in run.recipe.passes}
    report("compiling the network")
    scores_of = fast_scores(network.to_lutnet(even, data.classes))
    report("choosing thresholds on validation images")
    chosen = choose_thresholds(
        scores_of, data.validation, run.recipe.encoder_bits, run.recipe.passes
    )
    thresholds = {k: levels for k, (levels, _) in chosen.items()}
    accuracy = {}
    for k, levels in thresholds.items() if measure else ():
        report(f"measuring accuracy on test images, K = {k}")
        accuracy[str(k)] = evaluate(scores_of, data.test, levels).accuracy
    provenance: dict[str, Any] = {
        "data": data.name,
        "data_sha256": data.sha256,
        "training_images": len(data.train),
        "validation_images": len(data.validation),
        "test_images": len(data.test),
        "recipe": run.recipe.model_dump(mode="json"),
        "seed": run.seed,
        "epochs": trainer.step / trainer.batches.per_epoch,
        "finished": trainer.progress >= 1.0,
        "best_step": trainer.best_step,
        "validation_accuracy": {str(k): value for k, (_, value) in chosen.items()},
        "accuracy": accuracy,
        "source_commit": trainer.source_commit,
        "versions": {name: version(name) for name in ("lutlens", "torch", "numpy")},
    }
    lutnet = network.to_lutnet(thresholds, data.classes, provenance)
    if isinstance(run.recipe, ScanRecipe):
        lutnet = replace(
            lutnet, provenance=provenance | _scanning(lutnet, trainer.given.validation, report)
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    lutnet.save(out)
    return lutnet


def _scanning(lutnet: Lutnet, digits: Labelled, report: Callable[[str], None]) -> dict[str, Any]:
    """What scenes of validation digits say, by K: the support of detections that are best shown, and mAP."""
    supports, precisions = {}, {}
    for k in lutnet.thresholds:
        report(f"finding digits in validation scenes, K = {k}")
        found = evaluate_scenes(
            "validation",
            scan(lutnet, k),
            digits,
            generated,
            seed=VALIDATION,
            count=VALIDATION_SCENES,
        )
        supports[str(k)] = found.least
        precisions[str(k)] = found.tally.mean_average_precision
    return {"min_support": supports, "validation_mean_average_precision": precisions}
