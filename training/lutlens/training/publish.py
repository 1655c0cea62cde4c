"""From a training's best network to a lutnet: thresholds, measured accuracy, provenance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lutlens.board.values import Values
from lutlens.host.lutnet import Lutnet
from lutlens.host.modulation import ModulatorName
from lutlens.training.backgrounds import generated
from lutlens.training.data import Labelled
from lutlens.training.decoder_refinement import refine as refine_decoder
from lutlens.training.devices import description
from lutlens.training.engines import fast_scores
from lutlens.training.evaluate import Thresholds, evaluate, ramp, rank_thresholds
from lutlens.training.loop import Trainer
from lutlens.training.modulator_choice import choose, taking
from lutlens.training.network import Network
from lutlens.training.quality import Measured, fitted_range
from lutlens.training.quality import measure as measure_numbers
from lutlens.training.recipes import AutoencoderRecipe, ScanRecipe
from lutlens.training.refinement import SAMPLES, refine
from lutlens.training.scene_evaluation import (
    VALIDATION,
    VALIDATION_SCENES,
    SceneSet,
    evaluate_scenes,
    scan,
)

SINGLE_PASS_CANDIDATES = 6
"""Thresholds that windows like best, half of which show digits; frames are mostly background. Many passes average over
thresholds, so that theirs matter less."""


def publish(
    trainer: Trainer,
    out: Path,
    *,
    measure: bool = True,
    report: Callable[[str], None] = lambda text: None,
) -> Lutnet:
    """Write the best network so far as a lutnet.

    When training is done, the last layer is refined, if the recipe says so. Thresholds for every K of the recipe are
    chosen on validation images; those of a single pass, where a network scans, on validation scenes. Then, and only
    then, the test images are looked at, once for each K.

    measure: whether to look at the test images at all; an unfinished training should not.
    report: told what is going on, a line each time.
    """
    data, run = trainer.data, trainer.run
    network = trainer.best_network()
    if data.values:
        return _publish_numbers(trainer, network, data.values, out, measure, report)
    even = {k: ramp(k, network.spec.encoder_bits, 0, 255) for k in run.recipe.passes}
    plain = network.to_lutnet(even, data.classes)
    if run.recipe.refined and trainer.progress >= 1:
        plain = _refined(plain, trainer, report)
    if run.recipe.modulator:
        return _publish_modulated(trainer, plain, run.recipe.modulator, out, measure, report)
    report("compiling the network")
    scores_of = fast_scores(plain)
    report("choosing thresholds on validation images")
    ranked = rank_thresholds(scores_of, data.validation, run.recipe.encoder_bits, run.recipe.passes)
    chosen = {k: candidates[0] for k, candidates in ranked.items()}
    if isinstance(run.recipe, ScanRecipe) and 1 in ranked:
        report("choosing thresholds of a single pass on validation scenes")
        chosen[1] = max(
            ranked[1][:SINGLE_PASS_CANDIDATES],
            key=lambda candidate: (
                _in_scenes(
                    replace(plain, thresholds={1: candidate[0]}), 1, trainer
                ).tally.mean_average_precision
            ),
        )
    thresholds = {k: levels for k, (levels, _) in chosen.items()}
    accuracy = {}
    for k, levels in thresholds.items() if measure else ():
        report(f"measuring accuracy on test images, K = {k}")
        accuracy[str(k)] = evaluate(scores_of, data.test, levels).accuracy
    provenance = _provenance(trainer) | {
        "validation_accuracy": {str(k): value for k, (_, value) in chosen.items()},
        "accuracy": accuracy,
    }
    lutnet = replace(plain, thresholds=thresholds, provenance=provenance)
    if isinstance(run.recipe, ScanRecipe):
        lutnet = replace(lutnet, provenance=provenance | _scanning(lutnet, trainer, report))
    return _write(lutnet, out)


def _refined(plain: Lutnet, trainer: Trainer, report: Callable[[str], None]) -> Lutnet:
    """With images that would have come next in training, no more than it has seen, under the thresholds that are best
    for the most passes.
    """
    recipe, k = trainer.run.recipe, max(plain.thresholds)
    report("choosing thresholds to refine with on validation images")
    ranked = rank_thresholds(fast_scores(plain), trainer.data.validation, recipe.encoder_bits, [k])
    return refine(
        plain,
        trainer.batches,
        trainer.step,
        ranked[k][0][0],
        temperature=recipe.temperature,
        sweeps=recipe.refined,
        seed=trainer.run.seed,
        samples=min(SAMPLES, trainer.step * trainer.batches.batch_size),
        report=lambda share: report(f"refining the last layer, {share:.0%}"),
    )


def _publish_modulated(
    trainer: Trainer,
    plain: Lutnet,
    kind: ModulatorName,
    out: Path,
    measure: bool,
    report: Callable[[str], None],
) -> Lutnet:
    """Thresholds and swing are the same for all K: those that are best for the largest."""
    data, recipe = trainer.data, trainer.run.recipe
    k = max(recipe.passes)
    report("compiling the network")
    chosen = choose(
        fast_scores(plain),
        kind,
        data.validation,
        recipe.encoder_bits,
        [k],
        lambda share: report(f"choosing thresholds on validation images, {share:.0%}"),
    )
    lutnet = taking(plain, chosen[k], recipe.passes)
    scores_of = fast_scores(lutnet)

    def measured(labelled: Labelled) -> dict[str, float]:
        return {
            str(k): evaluate(scores_of, labelled, levels).accuracy
            for k, levels in lutnet.thresholds.items()
        }

    report("measuring accuracy")
    provenance = _provenance(trainer) | {
        "validation_accuracy": measured(data.validation),
        "accuracy": measured(data.test) if measure else {},
    }
    return _write(replace(lutnet, provenance=provenance), out)


def _publish_numbers(
    trainer: Trainer,
    network: Network,
    values: Values,
    out: Path,
    measure: bool,
    report: Callable[[str], None],
) -> Lutnet:
    """Thresholds are not chosen: outputs are means over all of them."""
    data, recipe = trainer.data, trainer.run.recipe
    thresholds = {k: network.encoder.thresholds(k).numpy() for k in recipe.passes}
    lutnet = network.to_lutnet(thresholds, data.classes, values=values)
    if isinstance(recipe, AutoencoderRecipe):
        lutnet = _finished(lutnet, trainer, recipe, network.encoder.thresholds(16).numpy(), report)
        assert lutnet.values is not None
        values = lutnet.values
    report("compiling the network")
    scores_of = fast_scores(lutnet)

    def measured(labelled: Labelled, k: int) -> Measured:
        report(f"measuring, K = {k}")
        return measure_numbers(scores_of, labelled, thresholds[k], values, recipe.bits_per_class)

    validation = {str(k): measured(data.validation, k).r2 for k in thresholds}
    test = {str(k): measured(data.test, k) for k in thresholds} if measure else {}
    provenance = _provenance(trainer) | {
        "validation_r2": validation,
        "r2": {k: one.r2 for k, one in test.items()},
        "squared_error": {k: one.squared_error for k, one in test.items()},
    }
    return _write(replace(lutnet, provenance=provenance), out)


def _finished(
    lutnet: Lutnet,
    trainer: Trainer,
    recipe: AutoencoderRecipe,
    ramp: Thresholds,
    report: Callable[[str], None],
) -> Lutnet:
    """Its decoder refined, and the range that its pixels' scores stand for fitted to validation images: means over
    passes keep away from both ends.
    """
    lutnet = refine_decoder(
        lutnet,
        trainer.data.train,
        ramp,
        sweeps=recipe.refined,
        seed=trainer.run.seed,
        report=lambda share: report(f"refining the decoder, {share:.0%}"),
    )
    report("fitting the range")
    assert lutnet.values is not None
    k = max(lutnet.thresholds)
    validation = trainer.data.validation
    scores = fast_scores(lutnet)(validation.images, lutnet.thresholds[k])
    low, high = fitted_range(scores, validation.labels, k * lutnet.bits_per_class)
    return replace(lutnet, values=Values(low=low, high=high, shape=lutnet.values.shape))


def _provenance(trainer: Trainer) -> dict[str, Any]:
    data, run = trainer.data, trainer.run
    return {
        "data": data.name,
        "data_set": data.key,
        "data_sha256": data.sha256,
        "training_images": len(data.train),
        "validation_images": len(data.validation),
        "test_images": len(data.test),
        "recipe": run.recipe.model_dump(mode="json"),
        "seed": run.seed,
        "epochs": trainer.step / trainer.batches.per_epoch,
        "finished": trainer.progress >= 1.0,
        "best_step": trainer.best_step,
        "device": description(trainer.device),
        "processes": trainer.team.size,
        "source_commit": trainer.source_commit,
        "versions": {name: version(name) for name in ("lutlens", "torch", "numpy")},
    }


def _write(lutnet: Lutnet, out: Path) -> Lutnet:
    out.parent.mkdir(parents=True, exist_ok=True)
    lutnet.save(out)
    return lutnet


def _scanning(lutnet: Lutnet, trainer: Trainer, report: Callable[[str], None]) -> dict[str, Any]:
    """What scenes of validation digits say, by K: the support of detections that are best shown, and mAP."""
    supports, precisions = {}, {}
    for k in lutnet.thresholds:
        report(f"finding digits in validation scenes, K = {k}")
        found = _in_scenes(lutnet, k, trainer)
        supports[str(k)] = found.least
        precisions[str(k)] = found.tally.mean_average_precision
    return {"min_support": supports, "validation_mean_average_precision": precisions}


def _in_scenes(lutnet: Lutnet, k: int, trainer: Trainer) -> SceneSet:
    return evaluate_scenes(
        "validation",
        scan(lutnet, k),
        trainer.given.validation,
        generated,
        seed=VALIDATION,
        count=VALIDATION_SCENES,
    )
