"""The Triton kernels do what plain PyTorch does: their numbers by Triton's interpreter, on the CPU,
and that they compile by its compiler, for a GPU that need not be there.

Each in a process of its own: Triton decides when it is imported whether it interprets.
"""

import importlib.util
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed"
)

NUMBERS = """
import torch
from lutlens.training import LayerSpec, Network, NetworkSpec, StageSpec
from lutlens.training.kernels import backends, triton_program
from test_kernels import assert_equal_but_for_rounding, by_the_definition, results, round_tables

# So few, and small, that they work on several blocks of samples each, as in large networks.
triton_program._BLOCKS, triton_program._SAMPLES, triton_program._SUMMED_SAMPLES = 4, 16, 8
device = "cuda" if torch.cuda.is_available() else "cpu"
assert backends.description(torch.device(device)) == "triton"

# Windows that overlap, a pool that does not fill its map, every fan-in, learned connections in a
# convolution and behind it, a layer without smoothing; a batch that fills no block.
learned = dict(connections="learned")
spec = NetworkSpec(
    input_shape=(5, 4, 1),
    stages=(
        StageSpec(
            window=(2, 2),
            layers=(LayerSpec(nodes=2, fan_in=6, **learned), LayerSpec(nodes=5, fan_in=3)),
            pool=(2, 2),
        ),
        StageSpec(
            layers=(
                LayerSpec(nodes=6, fan_in=2),
                LayerSpec(nodes=5, fan_in=1),
                LayerSpec(nodes=3, fan_in=5, smooth=False, **learned),
                LayerSpec(nodes=4, fan_in=4),
            )
        ),
    ),
    classes=2,
    flip=0.125,
)
BATCH = 19
network = Network(spec, seed=5).to(device)
round_tables(network)
torch.manual_seed(0)
x = torch.randint(0, 2, (BATCH, 5, 4, 1)).float().to(device)
weights = torch.randn(BATCH, 2).to(device)


def check(network):
    exact = by_the_definition(network, x, weights, torch.float64)
    got = results(network, x, weights)
    assert len(got) == len(exact) == 2 + len(list(network.parameters()))
    assert all(float(one.abs().max()) > 0 for one in exact)
    assert_equal_but_for_rounding(got, exact, terms=BATCH * 12)
    return got


got = check(network)
if device == "cuda":
    assert all(map(torch.equal, results(network, x, weights), got)), "equal inputs, equal bits"

# Fixed connections that change under way, as when a checkpoint is loaded, are sorted anew.
network = Network(
    NetworkSpec(input_shape=(5, 4, 1), stages=(StageSpec(layers=(LayerSpec(nodes=4),)),), classes=2)
).to(device)
round_tables(network)
check(network)
(layer,) = network.lut_layers()
layer.connections.index.copy_(layer.connections.index.flip(0))
check(network)
"""

COMPILES = """
import triton
from lutlens.training.kernels import triton_lookup as lookup
from lutlens.training.kernels import triton_maps as maps
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

POINTERS = {
    "*fp32": "tables slopes gradient sums to_tables to_x",
    "*u8": "x y",
    "*i64": "bits",
    "*i32": "bases offsets candidates first pins",
}
CONSTANTS = dict(FAN_IN=6, SMOOTH=True, FLIP=0.125, NODES=4, CANDIDATES=16, ROWS=2, COLUMNS=2)
WIDE = (lookup.forward, lookup.input_gradient, maps.forward, maps.backward)
SUMS = (lookup.table_gradient, lookup.score_gradient)
TABLES = (lookup.harden, lookup.find_slopes, lookup.finish_table_gradient)

for kernel in (*WIDE, *SUMS, *TABLES):
    constants = CONSTANTS | {"SAMPLES": 256 if kernel in WIDE else 32}
    if kernel in TABLES:
        constants["NODES"] = 16
    constants = {name: constants[name] for name in kernel.arg_names if name in constants}
    kinds = {name: kind for kind, names in POINTERS.items() for name in names.split()}
    kinds |= dict.fromkeys(constants, "constexpr")
    signature = {name: kinds.get(name, "i32") for name in kernel.arg_names}
    source = ASTSource(kernel, signature, constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32))
    assert compiled.asm["cubin"], kernel.__name__
"""


def run(code: str, **variables: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TRITON_")}
    environment |= {"PYTHONPATH": os.path.dirname(__file__), "OMP_NUM_THREADS": "1"} | variables
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=300)


def test_the_kernels_do_what_the_definition_says():
    variables = {"LUTLENS_KERNELS": "triton"}
    import torch

    if not torch.cuda.is_available():
        variables["TRITON_INTERPRET"] = "1"
    run(NUMBERS, **variables)


def test_the_kernels_compile_for_a_gpu(tmp_path):
    run(COMPILES, TRITON_CACHE_DIR=str(tmp_path))
