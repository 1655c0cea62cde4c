"""A whole network: what is trained, and what a lutnet is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
from lutlens.board.values import Values
from lutlens.host import lutnet
from lutlens.training.connections import FixedConnections, LearnedConnections, Neighbourhood
from lutlens.training.kernels.reference import FLIP
from lutlens.training.layers import ConnectionsName, LutLayer
from lutlens.training.modulation import Modulate
from lutlens.training.nodes import NodeModelName
from lutlens.training.program import Step, run
from lutlens.training.stages import ALL_LEVELS, TEMPERATURE, Encoder, GroupSum, Stage
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

Positive = Annotated[int, Field(ge=1)]

ALL_STAGES = slice(None)
_SCORING_BYTES = 256 << 20


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LayerSpec(_Spec):
    """A layer: how many nodes of how many inputs, and whether they learn which.

    smooth: whether a network of "lookup" nodes smooths this layer's tables. Layers deep below the
        output need it; the last one is better without.
    rate: share of the schedule's learning rate that its tables learn at.
    reach: of a stage's first layer: how far apart in the window the inputs of a node lie, see `Neighbourhood`. None:
        anywhere.

    Where it is validated, a number stands for a layer of so many nodes.
    """

    nodes: Positive
    fan_in: Annotated[int, Field(ge=1, le=6)] = 6
    connections: ConnectionsName = "fixed"
    smooth: bool = True
    rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    reach: Annotated[float, Field(gt=0)] | None = None

    @property
    def most_inputs(self) -> int:
        """Nodes that a layer before this one can have without any that nothing reads."""
        return self.nodes * self.fan_in

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        return {"nodes": value} if isinstance(value, int) else value


class StageSpec(_Spec):
    """A stage. window None: the whole input map, as in a dense network.

    recurrent: see `lutlens.host.lutnet.Stage`.
    last_row: the first layer reads no more than the last row of its window: of a recurrent stage's
        map, the last state.
    """

    layers: Annotated[tuple[LayerSpec, ...], Field(min_length=1)]
    window: tuple[Positive, Positive] | None = None
    stride: tuple[Positive, Positive] = (1, 1)
    pool: tuple[Positive, Positive] = (1, 1)
    recurrent: bool = False
    last_row: bool = False

    @model_validator(mode="after")
    def _reach_has_a_meaning(self) -> StageSpec:
        if any(layer.reach for layer in self.layers[1:]):
            raise ValueError("layers: reach is for a stage's first layer, others read nodes")
        if self.layers[0].reach and (self.recurrent or self.last_row):
            raise ValueError("layers.0.reach: not where a state or a single row is read")
        return self


class NetworkSpec(_Spec):
    """Everything that says what a network is, except its parameters.

    input_shape: (height, width, channels) of an image.
    encoder_bits, levels, jitter, jitter_per_pixel: see `Encoder`.
    temperature: see `GroupSum`.
    flip: see `lutlens.training.nodes.Lookup`.
    """

    input_shape: tuple[Positive, Positive, Positive]
    stages: Annotated[tuple[StageSpec, ...], Field(min_length=1)]
    classes: Positive = 10
    encoder_bits: Annotated[int, Field(ge=1, le=4)] = 1
    levels: tuple[int, int] = ALL_LEVELS
    jitter: Annotated[float, Field(ge=0, le=1)] = 1.0
    jitter_per_pixel: bool = True
    temperature: Annotated[float, Field(gt=0)] = TEMPERATURE
    model: NodeModelName = "lookup"
    flip: Annotated[float, Field(gt=0, lt=0.5)] = FLIP


class Network(nn.Module):
    """Encoder, stages and group-sum.

    spec: what it is.
    modulator: what changes pixels from pass to pass, of a network made from such a lutnet.
    seed: draws connections and first tables; the same seed gives the same network everywhere.

    Raises ValueError that names the stage where sizes do not fit.
    """

    def __init__(self, spec: NetworkSpec, seed: int = 0) -> None:
        super().__init__()
        self.spec = spec
        generator = torch.Generator().manual_seed(seed)
        self.encoder = Encoder(
            spec.encoder_bits,
            levels=spec.levels,
            jitter=spec.jitter,
            per_pixel=spec.jitter_per_pixel,
        )
        height, width, channels = spec.input_shape
        channels *= spec.encoder_bits
        stages = []
        for i, stage_spec in enumerate(spec.stages):
            window = stage_spec.window or (height, width)
            stage = _make_stage(stage_spec, window, channels, spec, generator)
            height, width = stage.output_size(height, width)
            if height < 1 or width < 1:
                raise ValueError(f"stages.{i}: nothing is left of the map, {height}x{width}")
            channels = stage.lut_layers()[-1].nodes
            stages.append(stage)
        if (height, width) != (1, 1):
            raise ValueError(f"stages: they leave a map of {height}x{width}, must be 1x1")
        self.stages = nn.ModuleList(stages)
        self.group_sum = GroupSum(channels, spec.classes, spec.temperature)
        self.modulator: Modulate | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32 `[batch, classes]`.

        x: uint8 pixels `[batch, height, width(, channels)]`, which the encoder thresholds (at
            random in training); or bits or probabilities, float32 `[batch, height, width,
            channels * encoder_bits]`.
        """
        bits = self.encoder(x) if x.dtype == torch.uint8 else x.permute(1, 2, 3, 0)
        rows, (height, width) = self.rows(bits)
        if (height, width) != (1, 1):
            raise ValueError(
                f"input: {list(x.shape)} gives {height}x{width} window positions, must be one"
            )
        logits: Tensor = self.group_sum(rows.t())
        return logits

    def counts(self, x: Tensor) -> Tensor:
        """What `GroupSum.counts` counts at every window position, `[batch, rows, columns, classes]`.

        x: bits or probabilities, as `forward` takes them, of the network's input size or larger.
        """
        rows, size = self.rows(x.permute(1, 2, 3, 0))
        last = rows.view(*size, self.group_sum.features, len(x))
        return self.group_sum.counts(last.permute(3, 0, 1, 2))

    @torch.no_grad()
    def scores(self, pixels: Tensor, thresholds: Tensor | npt.NDArray[np.uint8]) -> Tensor:
        """Hard scores, added over passes: what every execution of the lutnet gives, bit for bit.

        pixels: uint8 `[batch, height, width(, channels)]`, of the network's input size or larger.
        thresholds: uint8 `[K, encoder_bits]`.
        Returns int32 `[batch, classes]`, or `[batch, rows, columns, classes]` where a larger
        frame has several window positions.
        """
        passes = torch.as_tensor(thresholds)
        if passes.dtype != torch.uint8 or passes.ndim != 2:
            raise ValueError(
                f"thresholds: {passes.dtype} {list(passes.shape)}, must be uint8 [K, z]"
            )
        hard = self._hardened()
        parts = []
        for chunk in torch.split(pixels, self._chunk(pixels)):
            total: Tensor | None = None
            for k, one_pass in enumerate(passes):
                compared = hard.modulator(chunk, k) if hard.modulator else chunk
                rows, size = hard.rows(hard.encoder(compared, one_pass))
                last = rows.view(*size, hard.group_sum.features, len(chunk))
                counts = hard.group_sum.counts(last.permute(3, 0, 1, 2)).to(torch.int32)
                total = counts if total is None else total + counts
            assert total is not None
            parts.append(total)
        scores = torch.cat(parts)
        return scores[:, 0, 0] if scores.shape[1:3] == (1, 1) else scores

    def constrain(self) -> None:
        """Bring all tables back into their range; to be called after every step of an optimizer."""
        for layer in self.lut_layers():
            layer.constrain()

    def redraw_connections(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Replace the worst candidates of every learned pin, `LearnedConnections.redraw`."""
        for layer in self.lut_layers():
            if isinstance(layer.connections, LearnedConnections):
                layer.connections.redraw(optimizer)

    def lut_layers(self) -> Iterator[LutLayer]:
        for module in self.modules():
            if isinstance(module, LutLayer):
                yield module

    @property
    def device(self) -> torch.device:
        return self.group_sum.groups.device

    def tables(self) -> list[nn.Parameter]:
        """The parameters that are tables."""
        return [layer.tables for layer in self.lut_layers()]

    def rated_tables(self) -> dict[float, list[nn.Parameter]]:
        """The same, by their layers' rate, the highest first."""
        rates = (layer.rate for stage in self.spec.stages for layer in stage.layers)
        groups: dict[float, list[nn.Parameter]] = {}
        for rate, tables in zip(rates, self.tables(), strict=True):
            groups.setdefault(rate, []).append(tables)
        return dict(sorted(groups.items(), reverse=True))

    def connection_scores(self) -> list[nn.Parameter]:
        """The parameters that are scores of candidate connections."""
        connections = (layer.connections for layer in self.lut_layers())
        return [c.scores for c in connections if isinstance(c, LearnedConnections)]

    def to_lutnet(
        self,
        thresholds: Mapping[int, npt.NDArray[np.uint8]],
        classes: Sequence[str],
        provenance: dict[str, Any] | None = None,
        values: Values | None = None,
    ) -> lutnet.Lutnet:
        """The network's bits.

        thresholds: for each K, uint8 `[K, encoder_bits]`.
        classes: their names. values: what scores stand for, if outputs are numbers.
        """
        if len(classes) != self.spec.classes:
            raise ValueError(f"classes: {len(classes)} names for {self.spec.classes} classes")
        return lutnet.Lutnet(
            input_shape=self.spec.input_shape,
            encoder_bits=self.spec.encoder_bits,
            thresholds=dict(thresholds),
            stages=tuple(
                lutnet.Stage(
                    window=stage.window,
                    stride=stage.stride,
                    pool=stage.pool,
                    layers=_to_lutnet_layers(stage),
                    recurrent=stage.recurrent,
                )
                for stage in self._stages()
            ),
            classes=tuple(classes),
            provenance=provenance or {},
            values=values,
        )

    @classmethod
    def from_lutnet(cls, net: lutnet.Lutnet) -> Network:
        """A network with the lutnet's connections and tables, in evaluation mode."""
        spec = NetworkSpec(
            input_shape=net.input_shape,
            encoder_bits=net.encoder_bits,
            classes=len(net.classes),
            model="lookup-raw",
            stages=tuple(
                StageSpec(
                    window=stage.window,
                    stride=stage.stride,
                    pool=stage.pool,
                    layers=tuple(
                        LayerSpec(nodes=layer.nodes, fan_in=layer.fan_in) for layer in stage.layers
                    ),
                    recurrent=stage.recurrent,
                )
                for stage in net.stages
            ),
        )
        network = cls(spec).eval()
        if net.modulation:
            network.modulator = Modulate(net.modulation, net.input_shape)
        sources = [layer for stage in net.stages for layer in stage.layers]
        with torch.no_grad():
            for layer, source in zip(network.lut_layers(), sources, strict=True):
                entries = np.arange(1 << source.fan_in, dtype=np.uint64)
                bits = (source.tables[:, None] >> entries) & np.uint64(1)
                layer.tables.copy_(torch.from_numpy(bits.astype(np.float32) * 2 - 1))
                layer.connections.index.copy_(torch.from_numpy(source.connections))
        return network

    def _stages(self) -> list[Stage]:
        return [stage for stage in self.stages if isinstance(stage, Stage)]

    def rows(self, x: Tensor, which: slice = ALL_STAGES) -> tuple[Tensor, tuple[int, int]]:
        """The rows of the map behind some stages, `[height * width * features, batch]`, and its
        height and width.

        x: a map `[height, width, channels, batch]`. which: of the stages, by default all.
        """
        height, width, channels, _ = x.shape
        stages = self._stages()[which]
        if channels != stages[0].channels:
            raise ValueError(f"input: {channels} channels, must be {stages[0].channels}")
        steps, size = self.steps(height, width, which)
        return run(x.flatten(0, 2), steps), size

    def steps(
        self, height: int, width: int, which: slice = ALL_STAGES
    ) -> tuple[list[Step], tuple[int, int]]:
        """The program for a map of this size, and height and width of its result."""
        steps: list[Step] = []
        for stage in self._stages()[which]:
            steps += stage.steps(height, width, self.device)
            height, width = stage.output_size(height, width)
        return steps, (height, width)

    def _hardened(self) -> Network:
        """The network that computes with the hard tables' bits; itself, if it always does."""
        if self.spec.model != "multilinear":
            return self
        named = [str(i) for i in range(self.spec.classes)]
        k1 = {1: self.encoder.thresholds().numpy()}
        # With any range, a network may have one output.
        net = self.to_lutnet(k1, named, values=Values(low=0.0, high=1.0))
        return Network.from_lutnet(net).to(self.device)

    def _chunk(self, pixels: Tensor) -> int:
        """Images that fit into the memory set aside for scoring."""
        scale = (
            pixels.shape[1]
            * pixels.shape[2]
            / (self.spec.input_shape[0] * self.spec.input_shape[1])
        )
        positions, (height, width) = 0.0, self.spec.input_shape[:2]
        for stage in self._stages():
            height, width = stage.output_size(height, width)
            cells = height * width * stage.pool[0] * stage.pool[1]
            positions += cells * max(layer.nodes for layer in stage.lut_layers())
        return max(1, min(1024, int(_SCORING_BYTES / (16 * positions * scale))))


def _make_stage(
    spec: StageSpec,
    window: tuple[int, int],
    channels: int,
    network: NetworkSpec,
    generator: torch.Generator,
) -> Stage:
    features = window[0] * window[1] * channels
    if spec.last_row:
        features //= window[0]
    if spec.recurrent:
        features += spec.layers[-1].nodes
    layers, model = [], network.model
    for layer in spec.layers:
        layers.append(
            LutLayer(
                features,
                layer.nodes,
                layer.fan_in,
                connections=layer.connections,
                neighbourhood=Neighbourhood(*window, channels, layer.reach)
                if layer.reach
                else None,
                model=model if layer.smooth or model != "lookup" else "lookup-raw",
                flip=network.flip,
                generator=generator,
            )
        )
        if spec.recurrent:
            layers[-1].pass_on()
        features = layer.nodes
    return Stage(window, channels, layers, spec.stride, spec.pool, spec.recurrent, spec.last_row)


def _to_lutnet_layers(stage: Stage) -> tuple[lutnet.Layer, ...]:
    first, *others = stage.lut_layers()
    return _to_lutnet_layer(first, stage.unread), *map(_to_lutnet_layer, others)


def _to_lutnet_layer(layer: LutLayer, unread: int = 0) -> lutnet.Layer:
    """unread: bits of the input before those that the layer counts from."""
    bits = layer.hard_tables().cpu().numpy().astype(np.uint64)
    entries = np.arange(bits.shape[1], dtype=np.uint64)
    index = layer.connections.index
    assert isinstance(layer.connections, FixedConnections | LearnedConnections)
    return lutnet.Layer(
        tables=np.bitwise_or.reduce(bits << entries, axis=1),
        connections=np.ascontiguousarray(index.cpu().numpy() + unread, dtype=np.int32),
    )
