"""A budget in, a recipe out: the largest network of a family whose whole core fits.

A family is a recipe's network in all sizes. What is known to be good is in `FAMILIES`: recipes and the
LUTs that each was made for. Between two of them numbers of nodes are interpolated, beyond the last
they grow with the LUTs. A recipe that is in no family is one by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lutlens.host.cost import Cost, Shape, StageShape, estimate
from lutlens.host.rtl import Build, image_lines
from lutlens.host.synthesis import Resources
from lutlens.host.systemverilog.validation import PIXELS_PER_CLOCK
from lutlens.training.network import LayerSpec, NetworkSpec, StageSpec
from lutlens.training.recipes import RECIPES, Recipe, RegressionRecipe, ScanRecipe

FAMILIES = {"digits": {1460: "digits-1460", 2200: "digits", 5444: "digits-5444"}}
"""By the recipe's name: the LUTs that a recipe was made for, and its name. Stages and layers are as
many in each."""

RESERVE = 0.01
"""Share of the LUTs that is left to the cost model's error: so much is at stake in a training."""

FIXED_LUTS = 150
"""What even the smallest network takes: encoder, scorer, events."""

FEWEST_NODES = 4
_SMALLER = 0.98
_FEWER_CHANNELS = 0.95
_LEAST_CHANNELS = 0.2


class BudgetError(ValueError):
    """No network of the family fits: the message says what the least is. Or a part of a budget alone."""


@dataclass(frozen=True)
class Budget:
    """What the core of a batch build may take, as `lutlens synth` counts it, and must do.

    bram36, images_per_second: None if they do not matter.
    k: passes with which images a second and accuracy are meant.
    clock_mhz: of the overlay.
    """

    luts: int
    bram36: float | None
    images_per_second: float | None
    k: int
    clock_mhz: float

    def kept_by(self, cost: Cost | Resources) -> bool:
        return cost.lut <= self.luts and (self.bram36 is None or cost.bram36 <= self.bram36)


def asked(
    luts: int | None, bram36: float | None, fps: float | None, k: int, clock_mhz: float
) -> Budget | None:
    """What the options of `lutlens train` ask for. Raises BudgetError for parts without the LUTs."""
    if luts is not None:
        return Budget(luts, bram36, fps, k, clock_mhz)
    given = {"--bram": bram36, "--fps": fps, "--k": k if k > 1 else None}
    for option in (name for name, value in given.items() if value is not None):
        raise BudgetError(f"{option}: a part of a budget; give --luts, too")
    return None


@dataclass(frozen=True)
class Fit:
    """A network for a budget.

    build: what `lutlens generate` has to be told. cost: expected, before training.
    """

    recipe: Recipe
    build: Build
    cost: Cost
    clocks_per_image: int
    images_per_second: float


@dataclass(frozen=True)
class Taste:
    """Where a network spends its LUTs, as factors of what its family does.

    nodes: of each convolution's inner layers. channels: of its last one. bits: counted for a class.
    """

    nodes: tuple[float, ...]
    channels: tuple[float, ...]
    bits: float = 1.0

    @classmethod
    def of_family(cls, recipe: Recipe) -> Taste:
        ones = (1.0,) * len(recipe.stages)
        return cls(ones, ones)


def fit(recipe: Recipe, classes: int, budget: Budget, taste: Taste | None = None) -> Fit:
    """The recipe of the family's largest network that keeps the budget.

    classes: of the data that it will be trained on. taste: by default the family's own.

    Raises BudgetError.
    """
    if isinstance(recipe, RegressionRecipe):
        raise BudgetError(f"{recipe.name}: fits numbers; budgets are for networks of classes")
    if isinstance(recipe, ScanRecipe):
        raise BudgetError(f"{recipe.name}: scans frames; budgets are for networks of single images")
    pixels, clocks = _pace(recipe, budget)
    build = Build(image_lines(recipe.input_shape[1], pixels), pixels)
    family = _family(recipe, classes, build)
    taste = taste or Taste.of_family(recipe)
    channels = 1.0
    while True:
        luts: float = budget.luts
        while True:
            narrower = replace(taste, channels=tuple(channels * c for c in taste.channels))
            made = _member(family, luts, narrower, classes, recipe, budget)
            cost = estimate(shape_of(made.network(classes)), build)
            if cost.lut <= (1 - RESERVE) * budget.luts:
                break
            if luts < FIXED_LUTS:
                raise BudgetError(f"--luts {budget.luts}: the smallest network takes {cost.lut}")
            luts *= _SMALLER
        if budget.kept_by(cost):
            rate = 1e6 * budget.clock_mhz / clocks
            return Fit(made, build, cost, clocks, rate)
        channels *= _FEWER_CHANNELS
        if channels < _LEAST_CHANNELS:
            raise BudgetError(
                f"--bram {budget.bram36:g}: with {budget.luts} LUTs the least is {cost.bram36:g}"
            )


def shape_of(spec: NetworkSpec) -> Shape:
    """The spec's network as the cost model wants it."""
    height, width = spec.input_shape[:2]
    stages = []
    for stage in spec.stages:
        window = stage.window or (height, width)
        nodes = tuple(layer.nodes for layer in stage.layers)
        how = stage.recurrent, stage.last_row
        stages.append(StageShape(window, nodes, stage.stride, stage.pool, *how))
        height = ((height - window[0]) // stage.stride[0] + 1) // stage.pool[0]
        width = ((width - window[1]) // stage.stride[1] + 1) // stage.pool[1]
    return Shape(spec.input_shape, spec.encoder_bits, tuple(stages), spec.classes)


def _pace(recipe: Recipe, budget: Budget) -> tuple[int, int]:
    """The fewest pixels a clock that do, and clocks from an image to the next."""
    height, width, _ = recipe.input_shape
    for pixels in PIXELS_PER_CLOCK:
        clocks = budget.k * height * image_lines(width, pixels) // pixels
        rate = 1e6 * budget.clock_mhz / clocks
        if budget.images_per_second is None or rate >= budget.images_per_second:
            return pixels, clocks
    raise BudgetError(
        f"--fps {budget.images_per_second:g}: with {PIXELS_PER_CLOCK[-1]} pixels a clock, "
        f"K = {budget.k} and {budget.clock_mhz:g} MHz it is at most {rate:,.0f}"
    )


def _family(recipe: Recipe, classes: int, build: Build) -> dict[float, Recipe]:
    """Recipes by LUTs, fewest first."""
    if recipe.name in FAMILIES:
        return {luts: RECIPES[name] for luts, name in sorted(FAMILIES[recipe.name].items())}
    return {estimate(shape_of(recipe.network(classes)), build).lut: recipe}


def _member(
    family: dict[float, Recipe],
    luts: float,
    taste: Taste,
    classes: int,
    recipe: Recipe,
    budget: Budget,
) -> Recipe:
    """The family's recipe for so many LUTs."""
    sizes = list(family)
    above = next((size for size in sizes if size >= luts), sizes[-1])
    below = next((size for size in reversed(sizes) if size <= luts), sizes[0])
    one, other = family[below], family[above]
    if below != above:
        share, factor = math.log(luts / below) / math.log(above / below), 1.0
    elif luts < below:
        share, factor = 0.0, max(0.0, luts - FIXED_LUTS) / (below - FIXED_LUTS)
    else:
        share, factor = 0.0, luts / below

    def nodes(a: int, b: int, scale: float) -> int:
        return max(
            FEWEST_NODES,
            round(math.exp(math.log(a) * (1 - share) + math.log(b) * share) * factor * scale),
        )

    stages = tuple(
        _scaled(
            stage,
            [
                nodes(a.nodes, b.nodes, channels if a is stage.layers[-1] else inner)
                for a, b in zip(stage.layers, twin.layers, strict=True)
            ],
        )
        for stage, twin, inner, channels in zip(
            one.stages, other.stages, taste.nodes, taste.channels, strict=True
        )
    )
    # More classes share the bits that are counted in all.
    bits = nodes(one.bits_per_class, other.bits_per_class, taste.bits * one.classes / classes)
    nearest = one if share < 0.5 else other
    return nearest.model_copy(
        update={
            "name": f"{recipe.name}-{budget.luts}",
            "description": f"{recipe.name}, sized for {budget.luts} LUTs with everything",
            "stages": stages,
            "bits_per_class": bits,
            "passes": tuple(sorted({*nearest.passes, budget.k})),
        }
    )


def _scaled(stage: StageSpec, nodes: Sequence[int]) -> StageSpec:
    """The stage with so many nodes a layer, or fewer, where the next layer cannot read as many."""
    layers: list[LayerSpec] = []
    for layer, count in zip(reversed(stage.layers), reversed(nodes), strict=True):
        most = layers[0].most_inputs if layers else count
        layers.insert(0, layer.model_copy(update={"nodes": min(count, most)}))
    return stage.model_copy(update={"layers": tuple(layers)})
