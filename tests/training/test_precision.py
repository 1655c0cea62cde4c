"""Average precision: hand-made cases, the definition written out, an ideal detector."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.board.windows import FOUND
from lutlens.training.backgrounds import generated
from lutlens.training.detect import frames
from lutlens.training.precision import average_precision, match, tally
from sklearn.metrics import average_precision_score
from support.scenery import drawn_digits


def found(*entries):
    """From (x, side, digit, support), boxes along a line."""
    result = np.zeros(len(entries), FOUND)
    for one, (x, side, digit, support) in zip(result, entries, strict=True):
        one["box"], one["digit"], one["support"] = (x, 0, side, side), digit, support
    return result


def truth(*entries):
    """Boxes and labels from (x, side, digit)."""
    boxes = np.array([(x, 0, side, side) for x, side, _ in entries], np.float32).reshape(-1, 4)
    return boxes, np.array([digit for *_, digit in entries], np.int64)


@pytest.mark.parametrize(
    ("hits", "truths", "expected"),
    [
        ([1], 1, 1.0),
        ([0], 1, 0.0),
        ([], 3, 0.0),
        ([1, 1], 4, 0.5),
        ([1, 0, 1], 2, (1 + 2 / 3) / 2),
        ([0, 1, 1], 2, 2 / 3),
        ([1, 0, 0, 1, 1], 3, (1 + 3 / 5 + 3 / 5) / 3),
    ],
)
def test_average_precision_by_hand(hits, truths, expected):
    assert average_precision(np.array(hits, bool), truths) == pytest.approx(expected)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 10))
def test_average_precision_by_its_definition(hits, missed):
    hits = np.array(hits)
    truths = int(hits.sum()) + missed
    if truths == 0:
        return
    points = [(hits[:n].sum() / truths, hits[:n].mean()) for n in range(1, len(hits) + 1)]
    expected = np.mean(
        [
            max((p for r, p in points if r >= i / truths - 1e-9), default=0)
            for i in range(1, truths + 1)
        ]
    )
    assert average_precision(hits, truths) == pytest.approx(expected)
    if hits.any():  # without the envelope, and where nothing is missed, it is scikit-learn's
        below = average_precision_score(hits, -np.arange(len(hits))) * hits.sum() / truths
        assert average_precision(hits, truths) >= below - 1e-9


def test_a_truth_is_found_once_by_the_most_confident_of_its_class():
    boxes, labels = truth((0, 20, 3), (40, 20, 3), (80, 20, 5))
    seen = found((2, 20, 3, 10), (0, 20, 3, 9), (40, 20, 5, 30), (85, 20, 5, 8), (95, 20, 5, 40))
    assert match(seen, boxes, labels).tolist() == [True, False, False, True, False]
    assert match(found(), boxes, labels).tolist() == []
    assert match(seen, *truth()).tolist() == [False] * 5


def test_precision_and_recall_at_a_confidence():
    boxes, labels = truth((0, 20, 3), (40, 20, 3), (80, 20, 5))
    seen = found((0, 20, 3, 10), (40, 20, 7, 20), (80, 20, 5, 5), (200, 20, 5, 4))
    counted = tally([seen, found()], [boxes, boxes[:0]], [labels, labels[:0]], 10)
    assert counted.precision(1) == 2 / 4
    assert counted.recall(1) == 2 / 3
    assert counted.precision(5) == 2 / 3
    assert counted.recall(6) == 1 / 3
    assert counted.precision(100) == 1.0
    assert counted.best_confidence() == 5
    per_class = counted.average_precisions()
    assert per_class[3] == 0.5
    assert per_class[5] == 1.0
    assert np.isnan(per_class[7]), "there is no 7 to be found"
    assert counted.mean_average_precision == 0.75


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 2**31), st.integers(0, 40))
def test_the_truth_itself_has_a_mean_average_precision_of_one(seed, strays):
    scenes = frames(drawn_digits(40, 5), generated, (seed,), 2)
    random = np.random.default_rng(seed)
    seen = []
    for scene in scenes:
        ideal = np.zeros(len(scene.labels) + strays, FOUND)
        ideal["support"] = 1
        ideal["box"] = 1000 + 50 * np.arange(len(ideal))[:, None]
        ideal["box"][: len(scene.labels)] = scene.boxes
        ideal["digit"][: len(scene.labels)] = scene.labels
        ideal["support"][: len(scene.labels)] = random.integers(2, 900, len(scene.labels))
        seen.append(random.permutation(ideal))
    counted = tally(seen, [scene.boxes for scene in scenes], [scene.labels for scene in scenes], 10)
    assert counted.mean_average_precision == 1.0
    assert counted.precision(2) == counted.recall(2) == 1.0
    assert counted.recall(1) == 1.0
    # Another digit in every place finds nothing.
    for one in seen:
        one["digit"] = (one["digit"] + 1) % 10
    moved = tally(seen, [s.boxes for s in scenes], [s.labels for s in scenes], 10)
    assert moved.recall(1) == 0.0
