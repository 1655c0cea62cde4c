"""The lutnet: a trained network as a file.

A lutnet is a safetensors file; host/LUTNET.md specifies it. In memory it is the immutable `Lutnet`
below, the one form in which a network crosses from training to the host.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from lutlens.board.files import write_atomically
from lutlens.board.values import Values
from lutlens.host.lutnet_header import (
    MAX_FILE_BYTES,
    SCHEMA_VERSION,
    Header,
    StageHeader,
    named,
    read_header,
)
from lutlens.host.lutnet_header import MAX_PASSES as MAX_PASSES
from lutlens.host.lutnet_header import LutnetError as LutnetError
from lutlens.host.modulation import Modulation, Modulator
from pydantic import ValidationError
from safetensors import SafetensorError

MAX_WINDOW_BITS = 1 << 20
MAX_FAN_IN = 6
CORE_PASSES = 16
"""That the programmable logic adds by itself; the driver adds up several rounds of them."""
MAX_SCORE = 65535
MAX_BITS_PER_CLASS = MAX_SCORE // CORE_PASSES
MAX_CLASSES = 256


@dataclass(frozen=True, eq=False)
class Layer:
    """Nodes that read the same input bits and fire on the same clock edge.

    tables: uint64 `[nodes]`; bit `a` of a table is the node's output at address
        `a = sum_j input_j << j`. Bits at and above `2**fan_in` are zero.
    connections: int32 `[nodes, fan_in]`, fan_in 1 to 6: indices into the layer's input bits.
    """

    tables: npt.NDArray[np.uint64]
    connections: npt.NDArray[np.int32]

    @property
    def nodes(self) -> int:
        return int(self.connections.shape[0])

    @property
    def fan_in(self) -> int:
        return int(self.connections.shape[1])


@dataclass(frozen=True, eq=False)
class Stage:
    """A sliding window, the layers that read it, and an OR pooling (1, 1 = none).

    window, stride, pool: (rows, columns). Window bit `(dy * columns + dx) * channels + c` is
        channel `c` of the input `dy` rows below and `dx` columns right of the window's top left
        corner. No padding; a last row or column that does not fill a window, a stride or a pool is
        not used.
    layers: the first reads the window's bits, each other one the outputs of the layer before it.
        The last one's outputs are the stage's channels, ORed over each pool.
    recurrent: the first layer reads, behind the window's bits, the stage's channels at the position
        before, one row above; zeros in the frame's first row. Window and stride are as wide as the
        stage's input then, so that a row is one position, and there is no pool.
    """

    window: tuple[int, int]
    layers: tuple[Layer, ...]
    stride: tuple[int, int] = (1, 1)
    pool: tuple[int, int] = (1, 1)
    recurrent: bool = False

    @property
    def channels(self) -> int:
        """Output bits at one position."""
        return self.layers[-1].nodes

    @property
    def state_bits(self) -> int:
        """Bits of the position before that the first layer reads."""
        return self.channels if self.recurrent else 0

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of output positions for an input of such a size; may be 0."""
        rows = max(0, (height - self.window[0]) // self.stride[0] + 1)
        columns = max(0, (width - self.window[1]) // self.stride[1] + 1)
        return rows // self.pool[0], columns // self.pool[1]


@dataclass(frozen=True, eq=False)
class Lutnet:
    """A trained network.

    input_shape: (height, width, channels) of the images that it was trained on.
    encoder_bits: z, bits that the encoder makes of each 8-bit value; bit i is
        `value > threshold[i]`.
    thresholds: for each K that the network supports, uint8 `[K, z]`: the thresholds of every pass.
    stages: input channel `c * z + i` of the first stage is encoder bit i of image channel c. The
        last stage's bits are grouped by class: class c's score is the popcount of bits
        `[c * n, (c + 1) * n)`, n = bits per class, added over passes. The answer is the class of
        the highest score, the first one if several are equal; its margin is the distance to the
        second highest.
    classes: names, different from each other. Where outputs are numbers, theirs.
    values: what the scores stand for where outputs are numbers, each of a group of bits as a class
        would be; None where they are classes.
    modulator: what makes passes differ if thresholds do not; None if they do.
    provenance: data set and its hash, seed, recipe, accuracy measured at each K, source commit.
        JSON, not interpreted.

    Raises LutnetError if these do not make a network.
    """

    input_shape: tuple[int, int, int]
    encoder_bits: int
    thresholds: dict[int, npt.NDArray[np.uint8]]
    stages: tuple[Stage, ...]
    classes: tuple[str, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    values: Values | None = None
    modulator: Modulator | None = None

    def __post_init__(self) -> None:
        _check(self)

    @property
    def nodes(self) -> int:
        return sum(layer.nodes for stage in self.stages for layer in stage.layers)

    @property
    def recurrent(self) -> bool:
        """Whether a stage is; frames are exactly as wide as `input_shape` then."""
        return any(stage.recurrent for stage in self.stages)

    @property
    def modulation(self) -> Modulation | None:
        """The modulator at work; None without one."""
        if self.modulator is None:
            return None
        return Modulation(self.modulator, next(iter(self.thresholds.values()))[0])

    @property
    def bits_per_class(self) -> int:
        return self.stages[-1].channels // len(self.classes)

    @property
    def step(self) -> tuple[int, int]:
        """Rows and columns of pixels from one window position to the next."""
        rows = columns = 1
        for stage in self.stages:
            rows *= stage.stride[0] * stage.pool[0]
            columns *= stage.stride[1] * stage.pool[1]
        return rows, columns

    def input_channels(self, stage: int) -> int:
        """Input bits per position of the given stage."""
        if stage == 0:
            return self.input_shape[2] * self.encoder_bits
        return self.stages[stage - 1].channels

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of window positions at which a frame of this size is classified."""
        for stage in self.stages:
            height, width = stage.output_size(height, width)
        return height, width

    def thresholds_for(self, k: int) -> npt.NDArray[np.uint8]:
        """uint8 `[k, z]`. Raises LutnetError for a K that the network has no thresholds for."""
        if k not in self.thresholds:
            raise LutnetError(
                f"k: no thresholds for K = {k}; this lutnet has K = {sorted(self.thresholds)}"
            )
        return self.thresholds[k]

    def to_bytes(self) -> bytes:
        """The file's content; the same network always gives the same bytes."""
        tensors: dict[str, npt.NDArray[Any]] = {
            f"thresholds.{k}": t for k, t in self.thresholds.items()
        }
        for i, stage in enumerate(self.stages):
            for j, layer in enumerate(stage.layers):
                tensors[f"stages.{i}.layers.{j}.tables"] = layer.tables
                tensors[f"stages.{i}.layers.{j}.connections"] = layer.connections
        tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
        metadata = {
            "lutlens": json.dumps(_header(self).model_dump(exclude_defaults=True), sort_keys=True)
        }
        return bytes(safetensors.numpy.save(tensors, metadata=metadata))

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the file's content."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def build_id(self) -> int:
        """The first 64 bits of the hash: what the hardware's build-id register holds."""
        return int(self.sha256[:16], 16)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file; it appears whole or not at all."""
        write_atomically(path, self.to_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Lutnet:
        """Read a file. Raises LutnetError, with the file's name, for whatever is wrong with it."""
        try:
            with open(path, "rb") as file:
                return cls.from_bytes(file.read(MAX_FILE_BYTES + 1))
        except OSError as error:
            raise LutnetError(f"{path}: {error.strerror or error}") from error
        except LutnetError as error:
            raise LutnetError(f"{path}: {error}") from error

    @classmethod
    def from_bytes(cls, data: bytes) -> Lutnet:
        """Parse a file's content. Raises LutnetError that names the field."""
        header = read_header(data)
        try:
            tensors = safetensors.numpy.load(data)
        except (SafetensorError, ValueError, LookupError, TypeError, OverflowError) as error:
            raise LutnetError(f"file: not a valid safetensors file ({error})") from error

        def take(name: str) -> npt.NDArray[Any]:
            if name not in tensors:
                raise LutnetError(f"{name}: tensor missing")
            return tensors.pop(name)

        thresholds = {k: take(f"thresholds.{k}") for k in header.passes}
        stages = tuple(
            Stage(
                window=s.window,
                stride=s.stride,
                pool=s.pool,
                layers=tuple(
                    Layer(
                        take(f"stages.{i}.layers.{j}.tables"),
                        take(f"stages.{i}.layers.{j}.connections"),
                    )
                    for j in range(s.layers)
                ),
                recurrent=s.recurrent,
            )
            for i, s in enumerate(header.stages)
        )
        if tensors:
            raise LutnetError(f"{sorted(tensors)[0]}: tensor that the header does not announce")
        return cls(
            input_shape=header.input_shape,
            encoder_bits=header.encoder_bits,
            thresholds=thresholds,
            stages=stages,
            classes=tuple(header.classes),
            provenance=header.provenance,
            values=header.values,
            modulator=header.modulator,
        )


def _header(net: Lutnet) -> Header:
    try:
        return Header(
            schema_version=SCHEMA_VERSION,
            input_shape=net.input_shape,
            encoder_bits=net.encoder_bits,
            passes=sorted(net.thresholds),
            classes=list(net.classes),
            stages=[
                StageHeader(
                    window=s.window,
                    stride=s.stride,
                    pool=s.pool,
                    layers=len(s.layers),
                    recurrent=s.recurrent,
                )
                for s in net.stages
            ],
            provenance=net.provenance,
            values=net.values,
            modulator=net.modulator,
        )
    except ValidationError as error:
        raise named(error) from error


def _check(net: Lutnet) -> None:
    """All that a header and its tensors must agree on."""
    _header(net)
    try:
        json.dumps(net.provenance, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise LutnetError(f"provenance: must be JSON ({error})") from error
    if len(set(net.classes)) < len(net.classes):
        raise LutnetError("classes: two have the same name")
    if net.values is None and not 2 <= len(net.classes) <= MAX_CLASSES:
        raise LutnetError(
            f"classes: {len(net.classes)}, must be 2 to {MAX_CLASSES} unless outputs are numbers"
        )
    if net.values and net.values.outputs not in (None, len(net.classes)):
        raise LutnetError(
            f"values.shape: {list(net.values.shape or ())}, not of {len(net.classes)} outputs"
        )
    for k, thresholds in net.thresholds.items():
        _check_array(f"thresholds.{k}", thresholds, np.uint8, (k, net.encoder_bits))
    if net.modulator:
        _check_modulated(net)
    height, width, _ = net.input_shape
    for i, stage in enumerate(net.stages):
        for j, layer in enumerate(stage.layers):
            _check_shape(f"stages.{i}.layers.{j}.connections", layer.connections)
        if stage.recurrent:
            _check_recurrent(f"stages.{i}", stage, width)
        height, width = stage.output_size(height, width)
        bits = stage.window[0] * stage.window[1] * net.input_channels(i) + stage.state_bits
        if bits > MAX_WINDOW_BITS:
            raise LutnetError(f"stages.{i}.window: {bits} bits, at most {MAX_WINDOW_BITS}")
        for j, layer in enumerate(stage.layers):
            name = f"stages.{i}.layers.{j}"
            connections = layer.connections
            _check_array(f"{name}.connections", connections, np.int32, connections.shape)
            _check_array(f"{name}.tables", layer.tables, np.uint64, (layer.nodes,))
            if connections.min() < 0 or connections.max() >= bits:
                raise LutnetError(
                    f"{name}.connections: index outside the layer's {bits} input bits"
                )
            if layer.fan_in < MAX_FAN_IN and (layer.tables >> np.uint64(1 << layer.fan_in)).any():
                raise LutnetError(f"{name}.tables: bits set above 2**{layer.fan_in}")
            bits = layer.nodes
    if net.stages[-1].pool != (1, 1):
        raise LutnetError(
            f"stages.{len(net.stages) - 1}.pool: the last stage has no pooling, must be [1, 1]"
        )
    if net.stages[-1].channels % len(net.classes):
        raise LutnetError(
            f"classes: {len(net.classes)} do not divide "
            f"the last layer's {net.stages[-1].channels} bits"
        )
    if net.bits_per_class > MAX_BITS_PER_CLASS:
        raise LutnetError(
            f"classes: {net.bits_per_class} bits each, at most {MAX_BITS_PER_CLASS} can be counted"
        )
    highest = net.bits_per_class * max(net.thresholds)
    if highest > MAX_SCORE:
        raise LutnetError(
            f"passes: scores up to {highest} at K = {max(net.thresholds)}, at most {MAX_SCORE}"
        )
    size = net.output_size(net.input_shape[0], net.input_shape[1])
    if size != (1, 1):
        raise LutnetError(
            f"stages: an image of input_shape gives {size[0]}x{size[1]} outputs, must be 1x1"
        )


def _check_modulated(net: Lutnet) -> None:
    levels = np.concatenate(list(net.thresholds.values()))
    if (levels != levels[0]).any():
        raise LutnetError(
            "thresholds: must be the same in all passes of a network with a modulator"
        )
    if (np.diff(levels[0].astype(int)) <= 0).any():
        raise LutnetError(
            "thresholds: must ascend from bit to bit in a network with a modulator, "
            f"{levels[0].tolist()} do not"
        )
    if max(net.thresholds) > CORE_PASSES:
        raise LutnetError(
            f"passes: K = {max(net.thresholds)}, at most {CORE_PASSES} with a modulator"
        )


def _check_shape(name: str, connections: npt.NDArray[Any]) -> None:
    if (
        connections.ndim != 2
        or not 1 <= connections.shape[1] <= MAX_FAN_IN
        or not connections.shape[0]
    ):
        raise LutnetError(
            f"{name}: shape {list(connections.shape)}, must be [nodes, 1 to {MAX_FAN_IN}]"
        )


def _check_recurrent(name: str, stage: Stage, width: int) -> None:
    """width: of the stage's input."""
    if stage.pool != (1, 1):
        raise LutnetError(f"{name}.pool: a recurrent stage has no pooling, must be [1, 1]")
    for field_name, columns in (("window", stage.window[1]), ("stride", stage.stride[1])):
        if columns != width:
            raise LutnetError(
                f"{name}.{field_name}: {columns} columns, must be {width}, the width of the input "
                "of a recurrent stage"
            )


def _check_array(name: str, array: npt.NDArray[Any], dtype: type, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise LutnetError(
            f"{name}: {array.dtype} {list(array.shape)}, "
            f"must be {np.dtype(dtype).name} {list(shape)}"
        )
