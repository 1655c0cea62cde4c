"""Counts and rates: what is counted together compares, at whatever moment it is read."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from lutlens.board import rates
from lutlens.board.rates import Meter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(rates, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_rates_are_over_the_same_two_seconds(clock: list[float]) -> None:
    meter = Meter()
    for i in range(500):
        clock[0] = 100 + 0.01 * i + 0.004 * (i % 3)  # not evenly
        meter.add(captured=3, recognised=2, dropped=1, shown=1)
        found = meter.rates
        assert found.captured == pytest.approx(1.5 * found.recognised)
        assert found.recognised == pytest.approx(2 * found.shown)
    assert found.shown == pytest.approx(100, rel=0.01)
    assert meter.counts == (1500, 1000, 500, 500)
    assert meter.counts.at_work == 0
    clock[0] += 1.9
    assert meter.rates.shown == pytest.approx(100, rel=0.1)  # as far as they tell
    clock[0] += 0.2
    assert meter.rates == (0, 0, 0)


def test_two_events_are_no_rate(clock: list[float]) -> None:
    meter = Meter()
    for _ in range(2):
        clock[0] += 0.1
        meter.add(captured=1)
    assert meter.rates.captured == 0
    clock[0] += 0.1
    assert meter.add(captured=1).captured == 3
    assert meter.rates.captured == pytest.approx(10)
