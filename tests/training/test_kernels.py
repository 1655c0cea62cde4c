"""The C++ kernels do what plain PyTorch does, whatever the shape, processor and number of threads."""

import copy
import itertools
import math
import os
import subprocess
import sys

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lutlens.training import LayerSpec, Network, NetworkSpec, StageSpec
from lutlens.training.kernels import backends, native

CPU_FLAGS = torch.backends.cpu.get_cpu_capability()


@pytest.fixture(autouse=True)
def _restore_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=["auto", "avx2"])
def mode(request, monkeypatch):
    monkeypatch.setenv("LUTLENS_KERNELS", request.param)
    return request.param


def layers(draw: st.DrawFn, largest: int) -> tuple[LayerSpec, ...]:
    count = draw(st.integers(1, 2))
    return tuple(
        LayerSpec(
            nodes=draw(st.integers(1, largest)),
            fan_in=draw(st.integers(1, 6)),
            connections=draw(st.sampled_from(["fixed", "learned"])),
        )
        for _ in range(count)
    )


@st.composite
def specs(draw: st.DrawFn) -> NetworkSpec:
    """Two stages, the first pooled, then a dense one; windows, strides and pools need not fill up."""
    small = st.integers(1, 3)
    first = StageSpec(
        window=(draw(small), draw(small)),
        stride=(draw(small), draw(small)),
        pool=(draw(small), draw(small)),
        layers=layers(draw, 20),
    )
    classes = draw(st.integers(2, 4))
    last = LayerSpec(nodes=classes * draw(st.integers(1, 5)), fan_in=draw(st.integers(1, 6)))
    return NetworkSpec(
        input_shape=(draw(st.integers(11, 13)), draw(st.integers(11, 13)), draw(st.integers(1, 2))),
        stages=(first, StageSpec(layers=(*layers(draw, 40), last))),
        classes=classes,
        model=draw(st.sampled_from(["lookup", "lookup-raw"])),
        flip=draw(st.sampled_from([0.25, 0.125])),
    )


def results(
    network: Network, x: torch.Tensor, weights: torch.Tensor, input_too: bool = True
) -> list[torch.Tensor]:
    """Logits, and the gradients of all parameters and, unless it is not wanted, of the input."""
    network.zero_grad()
    x = x.clone().requires_grad_(input_too)
    logits = network(x)
    (logits * weights).sum().backward()
    gradients = [p.grad for p in network.parameters()] + [x.grad] * input_too
    return [logits.detach(), *(g for g in gradients if g is not None)]


def by_the_definition(
    network: Network, x: torch.Tensor, weights: torch.Tensor, dtype: torch.dtype
) -> list[torch.Tensor]:
    """The same in plain PyTorch, at a precision."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LUTLENS_KERNELS", "off")
        return results(copy.deepcopy(network).to(dtype), x.to(dtype), weights.to(dtype))


def round_tables(network: Network) -> None:
    """To multiples of 1/32: with flips of 1/4 or 1/8 smoothed tables are multiples of 2**-23 at least, so that bits and
    slopes are exact in single precision and only the gradients' products and sums are rounded.
    """
    with torch.no_grad():
        for tables in network.tables():
            tables.mul_(32).round_().div_(32)


def assert_equal_but_for_rounding(
    got: list[torch.Tensor],
    expected: list[torch.Tensor],
    terms: int,
    single: list[torch.Tensor] | None = None,
) -> None:
    """Rounding errors of a sum of n terms add up like a random walk: its error is about sqrt(n) u
    times the largest partial sum (Higham and Mary, SIAM J. Sci. Comput. 41, 2019). A single term that
    is missing changes the sum by about its 1/sqrt(n)-th part, thousands of times as much.

    The largest partial sum is about the result, unless terms cancel out: then the definition in single
    precision, if it is given, is as far off, by the same share in all layers before.
    """
    error = torch.finfo(torch.float32).eps / 2 * math.sqrt(terms)
    for rounded, exact in zip(single or [], expected, strict=False):
        if largest := float(exact.abs().max()):
            error = max(error, float((rounded.double() - exact).abs().max()) / largest)
    for mine, exact in zip(got, expected, strict=False):
        tolerance = 8 * error * float(exact.abs().max())
        torch.testing.assert_close(mine.double(), exact, rtol=0, atol=tolerance)


def check_gradients(spec: NetworkSpec, batch: int, threads: int) -> None:
    torch.manual_seed(batch)
    network = Network(spec, seed=batch)
    round_tables(network)
    x = torch.randint(0, 2, (batch, *spec.input_shape)).float()
    weights = torch.randn(batch, spec.classes)
    expected = by_the_definition(network, x, weights, torch.float64)
    single = by_the_definition(network, x, weights, torch.float32)
    assert len(expected) == 2 + len(list(network.parameters()))
    terms = batch * math.prod(spec.input_shape[:2])  # at most: every position adds to a table
    torch.set_num_threads(threads)
    for mode, input_too in itertools.product(("auto", "avx2"), (True, False)):
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("LUTLENS_KERNELS", mode)
            got = results(network, x, weights, input_too)
        assert len(got) == len(expected) - (not input_too)
        assert_equal_but_for_rounding(got, expected, terms, single)


# A layer of one node, which all inputs of the next one read: their gradients cancel out nearly.
CANCELLING = NetworkSpec(
    input_shape=(12, 11, 2),
    stages=(
        StageSpec(
            window=(1, 2),
            stride=(2, 2),
            pool=(3, 3),
            layers=(
                LayerSpec(nodes=13, fan_in=2, connections="learned"),
                LayerSpec(nodes=12, fan_in=3, connections="learned"),
            ),
        ),
        StageSpec(
            layers=(
                LayerSpec(nodes=1, fan_in=4, connections="learned"),
                LayerSpec(nodes=6, fan_in=3),
            )
        ),
    ),
    classes=2,
)
BATCHES = st.sampled_from([1, 2, 63, 64, 65, 130])


@settings(deadline=None, max_examples=25)
@given(spec=specs(), batch=BATCHES, threads=st.integers(1, 4))
@example(spec=CANCELLING, batch=2, threads=1)
def test_gradients_are_those_of_the_definition(spec, batch, threads):
    check_gradients(spec, batch, threads)


@settings(deadline=None, max_examples=8)
@given(
    st.lists(st.integers(1, 14), min_size=1, max_size=3),
    st.integers(1, 3),
    st.sampled_from(["fixed", "learned"]),
    st.sampled_from([1, 64, 130]),
    st.integers(1, 3),
)
def test_kernels_unroll_as_autograd_does(
    nodes: list[int], rows: int, connections: str, batch: int, threads: int
) -> None:
    layers = tuple(LayerSpec(nodes=n, connections=connections) for n in nodes)
    stages = (
        StageSpec(window=(2, 1), layers=(LayerSpec(nodes=3),)),
        StageSpec(window=(rows, 4), stride=(1, 4), recurrent=True, layers=layers),
        StageSpec(layers=(LayerSpec(nodes=8),)),
    )
    check_gradients(
        NetworkSpec(input_shape=(7, 4, 1), classes=2, stages=stages), batch=batch, threads=threads
    )


@pytest.mark.parametrize("connections", ["fixed", "learned"])
@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (64, 2), (150, 3)])
def test_gradients_of_dense_networks(batch, threads, connections):
    """More nodes than a task takes; with fixed connections, the gradient of the first layer's output
    is never stored.
    """
    first = LayerSpec(nodes=70, fan_in=6, connections=connections)
    others = LayerSpec(nodes=40, fan_in=6), LayerSpec(nodes=16, fan_in=5)
    stage = StageSpec(layers=(first, *others))
    check_gradients(NetworkSpec(input_shape=(3, 5, 1), stages=(stage,), classes=2), batch, threads)


def network_and_input() -> tuple[Network, torch.Tensor, torch.Tensor]:
    spec = NetworkSpec(
        input_shape=(14, 14, 1),
        stages=(
            StageSpec(window=(3, 3), layers=(LayerSpec(nodes=40), LayerSpec(nodes=30))),
            StageSpec(window=(2, 2), pool=(3, 3), layers=(LayerSpec(nodes=20),)),
            StageSpec(layers=(LayerSpec(nodes=90, connections="learned"),)),
        ),
    )
    torch.manual_seed(0)
    return (
        Network(spec, seed=3),
        torch.randint(0, 2, (150, 14, 14, 1)).float(),
        torch.randn(150, 10),
    )


def test_a_batch_that_would_keep_too_much_is_worked_out_in_chunks(monkeypatch):
    network, x, weights = network_and_input()
    whole = results(network, x, weights)
    kept = []
    forward = native.Program.forward

    def watched(self, x):
        kept.append(x.shape[1])
        return forward(self, x)

    monkeypatch.setattr(native.Program, "forward", watched)
    # A sample keeps 12,966 bytes: 148 of 150 samples fit, which are two chunks of 64.
    monkeypatch.setattr(native.Program, "memory", 64 * 30_000)
    parts = results(network, x, weights)
    assert kept == 2 * [128, 22]
    assert torch.equal(parts[0], whole[0])
    assert_equal_but_for_rounding(parts, [t.double() for t in whole], terms=150 * 144)


def test_the_number_of_threads_changes_no_bit(mode):
    network, x, weights = network_and_input()
    torch.set_num_threads(1)
    alone = results(network, x, weights)
    for threads in (2, 3, 7):
        torch.set_num_threads(threads)
        for got, expected in zip(results(network, x, weights), alone, strict=True):
            # Group sums and casts are PyTorch's own and exact; so everything has to be equal.
            assert torch.equal(got, expected)


def test_the_library_is_built_for_this_processor(mode):
    library = native.library(mode)
    assert library is not None
    if CPU_FLAGS == "AVX512" and mode == "auto":
        assert library.simd == "avx512"
    elif CPU_FLAGS in ("AVX2", "AVX512"):
        assert library.simd == "avx2"


def test_kernels_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("LUTLENS_KERNELS", "off")
    assert backends.program_maker(torch.device("cpu")) is None
    monkeypatch.setenv("LUTLENS_KERNELS", "fast")
    with pytest.raises(
        ValueError, match="LUTLENS_KERNELS: 'fast', must be one of auto, avx2, triton, off"
    ):
        backends.program_maker(torch.device("cpu"))


def test_without_a_compiler_pytorch_takes_over():
    code = (
        "import warnings, torch\n"
        "from lutlens.training import LutLayer\n"
        "with warnings.catch_warnings(record=True) as said:\n"
        "    warnings.simplefilter('always')\n"
        "    LutLayer(9, 4)(torch.ones(2, 9)).sum().backward()\n"
        "    LutLayer(9, 4)(torch.ones(2, 9)).sum().backward()\n"
        "assert len(said) == 1 and 'without C++ kernels' in str(said[0].message), said\n"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("CXX", "LUTLENS_KERNELS")}
    environment["PATH"] = "/nonexistent"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)


def test_a_forked_child_can_train_too():
    network, x, weights = network_and_input()
    torch.set_num_threads(2)
    expected = results(network, x, weights)
    child = os.fork()
    if child == 0:
        same = False
        try:
            # Through the kernels alone: PyTorch's own threads do not survive a fork.
            library = native.library()
            assert library is not None
            signals = torch.empty(3, 5, 64, dtype=torch.uint8)
            library.call("lutlens_tile", 150, 5, torch.ones(150, 5, dtype=torch.uint8), signals)
            same = int((signals >> 7).sum()) == 150 * 5
        finally:
            os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert torch.equal(results(network, x, weights)[0], expected[0])
