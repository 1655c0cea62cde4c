"""What a sweep found: networks that no smaller one equals, and the field's beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from lutlens.board.files import write_atomically
from lutlens.board.manifest import MANIFEST_NAME, Manifest
from lutlens.host.lutnet import Lutnet
from lutlens.training.data import DataSet
from lutlens.training.engines import fast_scores
from lutlens.training.evaluate import evaluate
from lutlens.training.sweeps.study import BRAM36, LUTNET
from optuna.trial import TrialState
from pydantic import ValidationError

FRONTIER = "frontier.json"


class FrontierError(ValueError):
    """An overlay that cannot be drawn beside the networks of a sweep."""


@dataclass(frozen=True)
class Point:
    """A network: accuracies at K; `test_accuracy` of networks on the frontier only.

    trial: None if it is an overlay's. lut, bram36: of the whole core, synthesised.
    """

    trial: int | None
    lutnet: str
    k: int
    lut: int
    bram36: float
    validation_accuracy: float
    test_accuracy: float | None = None


@dataclass(frozen=True)
class Published:
    """A figure of the field on MNIST. size: in `unit`, as its authors count."""

    who: str
    accuracy: float
    size: int
    unit: str


WHOLE, PARTIAL = "LUT, everything", "LUT, without the encoder"
STATED, GATES = "LUT, as stated", "gates"

FIELD = (
    Published("LUT-Network (BinaryBrain), x1", 0.880, 1460, WHOLE),
    Published("LUT-Network (BinaryBrain), x15", 0.913, 1460, WHOLE),
    Published("LUT-Network (BinaryBrain) CNN, x1, 13 BRAM", 0.928, 5444, WHOLE),
    Published("LUT-Network (BinaryBrain) CNN, x15, 13 BRAM", 0.986, 5444, WHOLE),
    *(
        Published("DWN, re-implementation", accuracy, luts, WHOLE)
        for accuracy, luts in ((0.968, 1597), (0.977, 2246), (0.980, 3490), (0.983, 6294))
    ),
    *(
        Published("DWN, its authors", accuracy, luts, PARTIAL)
        for accuracy, luts in ((0.971, 692), (0.979, 1413), (0.983, 4082))
    ),
    Published("NeuraLUT-Assemble", 0.979, 5070, STATED),
    Published("FINN LFC", 0.984, 83_000, STATED),
    Published("BTHOWeN L", 0.952, 151_704, STATED),
    *(
        Published("convolutional DiffLogic", accuracy, gates, GATES)
        for accuracy, gates in ((0.985, 147_000), (0.992, 566_000), (0.9935, 1_270_000))
    ),
    *(
        Published("LILogicNet", accuracy, gates, GATES)
        for accuracy, gates in ((0.980, 4000), (0.985, 8000), (0.9895, 32_000))
    ),
)
"""As papers and repositories state them."""


def points(study: optuna.Study, k: int) -> list[Point]:
    """All networks that were trained to the end, fewest LUTs first."""
    found = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        accuracy, lut = trial.values
        told = trial.user_attrs
        found.append(Point(trial.number, told[LUTNET], k, int(lut), told[BRAM36], accuracy))
    return sorted(found, key=lambda point: (point.lut, -point.validation_accuracy))


def of_overlay(folder: Path, k: int, data: DataSet) -> Point:
    """A network that was trained otherwise, on the same data. Raises FrontierError."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())
    except (OSError, ValidationError) as error:
        raise FrontierError(f"{folder}: not an overlay ({error})") from error
    told, resources = manifest.provenance, manifest.resources
    if manifest.geometry.scan or told.get("data_sha256") != data.sha256:
        raise FrontierError(
            f"{folder}: not of single images, or trained on others than {data.name}"
        )
    if resources is None:
        raise FrontierError(f"{folder}: not synthesised, `lutlens synth {folder} --update` does it")
    validation, test = (told[key].get(str(k)) for key in ("validation_accuracy", "accuracy"))
    if validation is None or test is None:
        raise FrontierError(f"{folder}: knows nothing of K = {k}")
    core = resources.core
    return Point(None, manifest.name, k, core.lut, core.bram36, validation, test)


def on_frontier(networks: Sequence[Point]) -> list[Point]:
    """Those that are more accurate on validation images than all with as many LUTs or fewer."""
    best, kept = -1.0, []
    for point in sorted(networks, key=lambda point: (point.lut, -point.validation_accuracy)):
        if point.validation_accuracy > best:
            best = point.validation_accuracy
            kept.append(point)
    return kept


def measure(
    frontier: Sequence[Point],
    folder: Path,
    data: DataSet,
    report: Callable[[str], None] = lambda text: None,
) -> list[Point]:
    """The same with their accuracy on test images, which `folder` remembers. Overlays know theirs; lutnets that lie
    on another machine are left unmeasured."""
    remembered = folder / FRONTIER
    known: dict[str, float] = {}
    if remembered.exists():
        known = {p["lutnet"]: p["test_accuracy"] for p in json.loads(remembered.read_text())}
    measured = []
    for point in frontier:
        path = folder / point.lutnet
        accuracy = point.test_accuracy or known.get(point.lutnet)
        if accuracy is None and path.exists():
            report(f"{path}: measuring on test images")
            net = Lutnet.load(path)
            levels = net.thresholds_for(point.k)
            accuracy = evaluate(fast_scores(net), data.test, levels).accuracy
        measured.append(Point(**{**asdict(point), "test_accuracy": accuracy}))
    text = json.dumps([asdict(point) for point in measured], indent=1)
    write_atomically(remembered, f"{text}\n".encode())
    return measured
