"""What a recipe says: what network to train, on which data, and how."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, ClassVar

from lutlens.host.modulation import ModulatorName
from lutlens.training import datasets
from lutlens.training.augment import Batches, BatchSource
from lutlens.training.data import DataSet
from lutlens.training.deformation import Deformation
from lutlens.training.distillation import Distillation, Teaching
from lutlens.training.kernels.reference import FLIP
from lutlens.training.layers import ConnectionsName
from lutlens.training.network import LayerSpec, NetworkSpec, StageSpec
from lutlens.training.nodes import NodeModelName
from lutlens.training.objectives import Objective, Recognition
from lutlens.training.scenery import SceneBatches, Scenery, in_scenes
from lutlens.training.stages import ALL_LEVELS, TEMPERATURE
from pydantic import BaseModel, ConfigDict, Field, field_validator

Positive = Annotated[float, Field(gt=0)]


class RecipeError(ValueError):
    """A recipe that does not exist, or does not fit the data."""


class Schedule(BaseModel):
    """How a network is trained: Adam, the learning rates falling by a cosine to 1 %.

    table_rate, connection_rate: learning rates of tables and of connection scores.
    shift: images are moved at random by up to so many pixels along each axis.
    mirror: half of them, at random, have left and right exchanged.
    deformation: they are bent at random.
    teaching: the network learns from a float CNN, too.
    redraw_every, redraw_until: every so many steps, up to this share of the training, the worst
        candidates of learned connections are replaced.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    epochs: Positive = 40
    batch_size: Annotated[int, Field(ge=1)] = 128
    table_rate: Positive = 0.05
    connection_rate: Positive = 0.02
    betas: tuple[float, float] = (0.9, 0.99)
    shift: Annotated[int, Field(ge=0)] = 1
    mirror: bool = False
    deformation: Deformation | None = None
    teaching: Teaching | None = None
    redraw_every: Annotated[int, Field(ge=1)] = 200
    redraw_until: Annotated[float, Field(ge=0, le=1)] = 0.6


class Recipe(BaseModel):
    """A network and its schedule.

    data: the name of a data set, see `lutlens.training.datasets`.
    encoder_bits, levels, jitter_per_pixel: see `lutlens.training.stages.Encoder`.
    bits_per_class: bits counted for each class: the last stage is one layer of so many nodes for
        each class of the data, reading the whole map.
    last_connections: whether that layer learns its connections.
    last_reach: how far apart the inputs of its nodes lie; None: anywhere.
    model, flip: what nodes compute while they are trained, see `lutlens.training.nodes`.
    temperature: see `lutlens.training.stages.GroupSum`.
    refined: sweeps over the last layer's nodes when training is done, see `lutlens.training.refinement`.
    modulator: what makes passes differ, see `lutlens.host.modulation`; thresholds and swing are chosen when training is
        done. None: the thresholds do.
    passes: the K for which thresholds are chosen and accuracy is measured.
    """

    modulated: ClassVar[bool] = True
    """Whether such recipes may have a modulator."""
    refinable: ClassVar[bool] = True
    """Whether their last layer can be refined."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    description: str
    data: str = "mnist"
    input_shape: tuple[int, int, int]
    encoder_bits: Annotated[int, Field(ge=1, le=4)] = 1
    levels: tuple[int, int] = ALL_LEVELS
    jitter_per_pixel: bool = True
    stages: tuple[StageSpec, ...] = ()
    bits_per_class: Annotated[int, Field(ge=1)]
    last_connections: ConnectionsName = "learned"
    last_reach: Annotated[float, Field(gt=0)] | None = None
    model: NodeModelName = "lookup"
    flip: Annotated[float, Field(gt=0, lt=0.5)] = FLIP
    temperature: Positive = TEMPERATURE
    refined: Annotated[int, Field(ge=0)] = 0
    modulator: ModulatorName | None = None
    passes: tuple[Annotated[int, Field(ge=1, le=16)], ...] = (1, 3, 7, 15)
    schedule: Schedule = Schedule()

    @field_validator("data")
    @classmethod
    def _is_registered(cls, name: str) -> str:
        datasets.check_name(name)
        return name

    @field_validator("stages")
    @classmethod
    def _can_read_all_nodes(cls, stages: tuple[StageSpec, ...]) -> tuple[StageSpec, ...]:
        for i, stage in enumerate(stages):
            for j, (layer, reader) in enumerate(pairwise(stage.layers)):
                if layer.nodes > reader.most_inputs:
                    raise ValueError(
                        f"stages.{i}.layers.{j}: {layer.nodes} nodes, of which the {reader.nodes} "
                        f"of the next layer read at most {reader.most_inputs}"
                    )
        return stages

    @field_validator("modulator")
    @classmethod
    def _modulator_has_a_meaning(cls, kind: ModulatorName | None) -> ModulatorName | None:
        if kind and not cls.modulated:
            raise ValueError("modulator: only in recipes of classes that look at single images")
        return kind

    @field_validator("refined")
    @classmethod
    def _refinement_has_a_meaning(cls, sweeps: int) -> int:
        if sweeps and not cls.refinable:
            raise ValueError("refined: only in recipes of classes and of auto-encoders")
        return sweeps

    @property
    def classes(self) -> int:
        """Classes that the network tells apart if it is trained on the recipe's own data."""
        return len(datasets.DATA_SETS[self.data].classes)

    @property
    def recurrent(self) -> bool:
        """Whether the last stage follows a recurrent one: of its map it reads the last state only."""
        return bool(self.stages) and self.stages[-1].recurrent

    def network(self, classes: int) -> NetworkSpec:
        """The network for data of so many classes."""
        return NetworkSpec(
            input_shape=self.input_shape,
            encoder_bits=self.encoder_bits,
            levels=self.levels,
            jitter_per_pixel=self.jitter_per_pixel,
            stages=(
                *self.stages,
                StageSpec(layers=(self.last_layer(classes),), last_row=self.recurrent),
            ),
            classes=classes,
            model=self.model,
            flip=self.flip,
            temperature=self.temperature,
        )

    def last_layer(self, classes: int) -> LayerSpec:
        """The layer whose bits are counted."""
        return LayerSpec(
            nodes=classes * self.bits_per_class,
            connections=self.last_connections,
            smooth=False,
            reach=self.last_reach,
        )

    def prepare(self, data: DataSet) -> DataSet:
        """The data as training, validation and test want it."""
        return data

    def objective(self, data: DataSet) -> Objective:
        """What training minimises. data: as `prepare` gives it. Raises RecipeError for other data than the recipe's
        kind."""
        if data.values is not None:
            raise RecipeError(f"{self.name}: recognises classes; {data.name} has numbers")
        teaching = self.schedule.teaching
        if teaching is None:
            return Recognition()
        return Distillation(self.input_shape, len(data.classes), teaching)

    def batches(self, data: DataSet, seed: int) -> BatchSource:
        """What to train on. data: as `prepare` gives it."""
        schedule = self.schedule
        return Batches(
            data.train,
            schedule.batch_size,
            seed=seed,
            shift=schedule.shift,
            mirror=schedule.mirror,
            deformation=schedule.deformation,
        )


class ScanRecipe(Recipe):
    """A network that scans frames: one class more than the data has, for windows of background.

    It is trained on windows of composed scenes; `Schedule.shift` does not matter.
    """

    modulated = False
    scenery: Scenery = Scenery()

    @property
    def classes(self) -> int:
        return super().classes + 1

    def prepare(self, data: DataSet) -> DataSet:
        return in_scenes(data)

    def batches(self, data: DataSet, seed: int) -> BatchSource:
        return SceneBatches(
            data.train,
            len(data.classes) - 1,
            self.scenery,
            step=self.step,
            batch_size=self.schedule.batch_size,
            seed=seed,
        )

    @property
    def step(self) -> tuple[int, int]:
        """Pixels from one window of a frame to the next, y and x."""
        y, x = (
            math.prod(stage.stride[axis] * stage.pool[axis] for stage in self.stages)
            for axis in (0, 1)
        )
        return y, x
