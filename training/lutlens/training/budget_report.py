"""What became of a budget: the trained network's core, synthesised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lutlens.host.area import synthesise_core
from lutlens.host.lutnet import Lutnet
from lutlens.host.synthesis import Resources
from lutlens.training.budget import Budget, Fit
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Outcome:
    """core: of the trained network, as Yosys counts it."""

    budget: Budget
    fit: Fit
    core: Resources
    accuracy: float | None

    @classmethod
    def of(cls, lutnet: Lutnet, budget: Budget, fit: Fit) -> Outcome:
        """Synthesise. Raises SynthesisError."""
        accuracy = lutnet.provenance["accuracy"].get(str(budget.k))
        return cls(budget, fit, synthesise_core(lutnet, fit.build), accuracy)

    @property
    def kept(self) -> bool:
        return self.budget.kept_by(self.core)

    def as_json(self) -> dict[str, Any]:
        return {
            "luts": self.budget.luts,
            "bram36": self.budget.bram36,
            "fps": self.budget.images_per_second,
            "k": self.budget.k,
            "kept": self.kept,
            "expected": {"lut": self.fit.cost.lut, "bram36": self.fit.cost.bram36},
            "core": {
                "lut": self.core.lut,
                "bram36": self.core.bram36,
                "ff": self.core.ff,
                "clocks_per_image": self.fit.clocks_per_image,
                "clock_mhz": self.budget.clock_mhz,
                "images_per_second": round(self.fit.images_per_second, 1),
                "pixels_per_clock": self.fit.build.pixels_per_clock,
            },
        }

    def table(self) -> Table:
        budget, fit, core = self.budget, self.fit, self.core
        table = Table("", "budget", "expected", "synthesised", title="the whole core")
        bram, fps = budget.bram36, budget.images_per_second
        table.add_row("LUT", f"{budget.luts:,}", f"{fit.cost.lut:,}", f"{core.lut:,}")
        limit = "" if bram is None else f"{bram:g}"
        table.add_row("BRAM36", limit, f"{fit.cost.bram36:g}", f"{core.bram36:g}")
        k, mhz = budget.k, budget.clock_mhz
        table.add_row(f"clocks an image, K = {k}", "", f"{fit.clocks_per_image:,}", "")
        wanted = "" if fps is None else f"{fps:,.0f}"
        rate = f"{fit.images_per_second:,.0f}"
        table.add_row(f"images/s, K = {k}, {mhz:g} MHz", wanted, rate, "")
        if self.accuracy is not None:
            table.add_row(f"accuracy on test images, K = {k}", "", "", f"{self.accuracy:.2%}")
        return table

    def verdict(self) -> str:
        """A sentence, with what to do next."""
        budget, core = self.budget, self.core
        if self.kept:
            pixels = self.fit.build.pixels_per_clock
            option = f" with --pixels-per-clock {pixels}" if pixels > 1 else ""
            return f"the budget is kept; `lutlens generate` makes an overlay{option}"
        over = [f"{core.lut - budget.luts} LUT"] if core.lut > budget.luts else []
        if budget.bram36 is not None and core.bram36 > budget.bram36:
            over.append(f"{core.bram36 - budget.bram36:g} BRAM36")
        return f"the budget is not kept: {' and '.join(over)} too many"


def sized(fit: Fit) -> str:
    """What will be trained."""
    nodes = [[layer.nodes for layer in stage.layers] for stage in fit.recipe.stages]
    return (
        f"stages of {nodes} nodes, {fit.recipe.bits_per_class} bits a class: expected to take "
        f"{fit.cost.lut:,} LUT, {fit.cost.bram36:g} BRAM36"
    )


def outcome_of(
    lutnet: Lutnet, budget: Budget | None, fit: Fit | None, console: Console
) -> Outcome | None:
    """Synthesise what was trained and tell; None without a budget."""
    if budget is None or fit is None:
        return None
    with console.status("synthesising the core"):
        outcome = Outcome.of(lutnet, budget, fit)
    console.print(outcome.table())
    console.print(outcome.verdict())
    return outcome
