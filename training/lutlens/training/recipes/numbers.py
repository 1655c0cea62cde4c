"""Recipes of networks whose outputs are numbers: of a data set of numbers, or images from a code of themselves."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from lutlens.training.augment import BatchSource
from lutlens.training.data import DataSet
from lutlens.training.layers import ConnectionsName
from lutlens.training.network import LayerSpec, NetworkSpec, StageSpec
from lutlens.training.objectives import Objective, Reconstruction, Regression
from lutlens.training.recipes.recipe import Recipe, RecipeError
from lutlens.training.reconstruction import PixelBatches, in_pixels, outputs_of
from pydantic import Field


class RegressionRecipe(Recipe):
    """A network that fits numbers.

    bits_per_class: of every number.
    averaged: passes that training averages before it compares with the right number.
    last_fan_in: inputs of the last layer's nodes.
    """

    modulated = False
    refinable = False
    averaged: Annotated[int, Field(ge=1, le=64)] = 1
    last_fan_in: Annotated[int, Field(ge=1, le=6)] = 6
    passes: tuple[Annotated[int, Field(ge=1, le=64)], ...] = (1, 4, 16, 64)

    def last_layer(self, classes: int) -> LayerSpec:
        return super().last_layer(classes).model_copy(update={"fan_in": self.last_fan_in})

    def objective(self, data: DataSet) -> Objective:
        if data.values is None:
            raise RecipeError(
                f"{self.name}: fits numbers, {data.name} has classes; a recipe of classes recognises those"
            )
        return Regression(data.values, variance(data), self.averaged)


class AutoencoderRecipe(RegressionRecipe):
    """A network that gives an image again from a code of a few bits.

    The recipe's stages and one more layer, the code, are the encoder; the decoder is one layer that reads it.

    code: bits.
    code_connections: whether its layer learns them.
    bits_per_class: of every pixel.
    refined: sweeps over the decoder when training is done, see `lutlens.training.decoder_refinement`.
    """

    refinable = True
    code: Annotated[int, Field(ge=1, le=4096)]
    code_connections: ConnectionsName = "learned"
    stages: Annotated[tuple[StageSpec, ...], Field(min_length=1)]
    passes: tuple[Annotated[int, Field(ge=1, le=64)], ...] = (1, 3, 7, 15)

    @property
    def classes(self) -> int:
        return outputs_of(self.input_shape)

    def network(self, classes: int) -> NetworkSpec:
        spec = super().network(classes)
        code = LayerSpec(nodes=self.code, connections=self.code_connections)
        *before, encoder, decoder = spec.stages
        encoder = encoder.model_copy(update={"layers": (*encoder.layers, code)})
        return spec.model_copy(update={"stages": (*before, encoder, decoder)})

    def prepare(self, data: DataSet) -> DataSet:
        return in_pixels(data)

    def batches(self, data: DataSet, seed: int) -> BatchSource:
        return PixelBatches(super().batches(data, seed))

    def objective(self, data: DataSet) -> Objective:
        assert data.values is not None  # as `prepare` gives it
        mean = data.train.labels.mean(axis=0, dtype=np.float64)
        return Reconstruction(
            data.values,
            variance(data),
            self.averaged,
            code=self.code,
            encoder=len(self.stages),
            prior=torch.from_numpy(data.values.shares(mean)),
        )


def variance(data: DataSet) -> float:
    """Of the training set's numbers, about each output's mean; the mean over outputs."""
    return float(data.train.labels.var(axis=0, dtype=np.float64).mean())
