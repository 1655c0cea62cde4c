"""C99 of a network: what gcc and clang make of it, with every warning an error and under sanitizers."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from lutlens.host import Lutnet
from lutlens.host.c99 import generate
from lutlens.host.c99.check import COMPILERS, check
from lutlens.host.cli import main
from support.networks import oracle_scores, random_frames, random_lutnet


def vectors(net: Lutnet) -> dict[str, np.ndarray]:
    images = random_frames(net, 3, count=6)
    scores = {
        f"scores_{k}": oracle_scores(net, images, levels)[:, 0, 0]
        for k, levels in net.thresholds.items()
    }
    return {"images": images, "k": np.array(sorted(net.thresholds)), **scores}


@pytest.mark.parametrize("seed", range(5))
def test_random_networks_score_as_defined(seed: int) -> None:
    net = random_lutnet(seed, stages=1 + seed % 4, channels=1 + seed % 3, encoder_bits=1 + seed % 2)
    found = check(generate(net, vectors(net)))
    assert {one.compiler: one.failure for one in found} == dict.fromkeys(COMPILERS)


def test_a_wrong_score_is_told() -> None:
    net = random_lutnet(7)
    wrong = vectors(net)
    k = wrong["k"][0]
    wrong[f"scores_{k}"] = wrong[f"scores_{k}"].copy()
    wrong[f"scores_{k}"][4, 2] += 1
    found = check(generate(net, wrong))
    assert len(found) == len(COMPILERS)
    for one in found:
        assert one.failure is not None
        assert f"K = {k}, image 4, class 2: score " in one.failure


def test_class_and_refusal(tmp_path: Path) -> None:
    """The class is the first one of the highest scores; a K without thresholds writes nothing."""
    net = random_lutnet(11, classes=4)
    (k,) = list(net.thresholds)[:1]
    sources = generate(net, vectors(net))
    del sources["test_lutnet.c"]
    sources["main.c"] = (
        '#include "lutnet.h"\n#include <stdio.h>\n'
        "static uint8_t image[LUTNET_PIXELS];\n"
        "int main(void) { uint16_t s[LUTNET_CLASSES] = {9, 9, 9, 9}; int c;\n"
        'printf("%d ", lutnet_classify(image, 99, s));\n'
        'for (c = 0; c < LUTNET_CLASSES; c++) printf("%d ", s[c]);\n'
        f'printf("%d ", lutnet_classify(image, {k}, s));\n'
        'for (c = 0; c < LUTNET_CLASSES; c++) printf("%d ", s[c]); return 0; }\n'
    )
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    command = ["gcc", "-std=c99", "lutnet.c", "main.c", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    done = subprocess.run([tmp_path / "main"], capture_output=True, check=True, timeout=60)
    height, width, channels = net.input_shape
    dark = np.zeros((1, height, width, channels), np.uint8)
    scores = oracle_scores(net, dark, net.thresholds[k])[0, 0, 0]
    assert [int(x) for x in done.stdout.split()] == [-1, 9, 9, 9, 9, scores.argmax(), *scores]


def test_pragmas_are_for_synthesis_alone(tmp_path: Path) -> None:
    net = random_lutnet(2, stages=3)
    plain, hls = (generate(net, vectors(net), hls=flag) for flag in (False, True))
    assert "#pragma" not in plain["lutnet.c"]
    assert hls["lutnet.c"].count("#pragma HLS PIPELINE II=1") == 3
    assert [one.failure for one in check(hls)] == [None] * len(check(plain))
    # Where Vitis sees them they stand where C lets a pragma stand.
    for name, text in hls.items():
        (tmp_path / name).write_text(text)
    command = ["gcc", "-std=c99", "-D__SYNTHESIS__", "-Wall", "-Wno-unknown-pragmas", "-Werror"]
    command += ["-pedantic", "-c", "lutnet.c"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    random_lutnet(5).save(tmp_path / "some.lutnet")
    arguments = [
        "generate-c",
        str(tmp_path / "some.lutnet"),
        "--out",
        str(tmp_path / "c"),
        "--json",
    ]
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--test"])
    told = json.loads(capsys.readouterr().out)
    assert not end.value.code
    assert told["files"] == sorted(path.name for path in (tmp_path / "c").iterdir())
    for compiler in COMPILERS:
        assert told["compilers"][compiler]["failure"] is None
        assert told["compilers"][compiler]["seconds"] > 0

    monkeypatch.setattr("lutlens.host.c99.check.COMPILERS", ())
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--test"])
    assert end.value.code == 1
