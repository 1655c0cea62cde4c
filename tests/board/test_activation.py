"""What is read of a release on the machine that it is deployed to."""

import json

import pytest
from lutlens.board import activation

FACTS = {
    "release": "20260101-digits",
    "overlay": "digits",
    "build_id": "0123456789abcdef",
    "device": "model",
    "python": "python3",
    "init": "runner",
    "url": "http://127.0.0.1:8000",
}


def write(directory, text):
    (directory / activation.FACTS).write_text(text)
    return directory


def test_a_release_is_read_as_it_was_written(tmp_path):
    release = activation.read_release(write(tmp_path, json.dumps(FACTS)))
    assert release == activation.Release(**FACTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"not JSON \(Expecting"),
        ("[]", "must be an object of release, overlay, build_id"),
        (json.dumps({"release": "r"}), "overlay: missing"),
        (json.dumps(FACTS | {"speed": "9"}), "speed: unknown"),
        (json.dumps(FACTS | {"url": 8000}), "url: 8000, must be a string"),
    ],
)
def test_a_damaged_release_is_named_with_its_file(tmp_path, capsys, text, message):
    write(tmp_path, text)
    with pytest.raises(ValueError, match=rf"{tmp_path}/release\.json: {message}"):
        activation.read_release(tmp_path)
    (tmp_path / activation.RELEASES).mkdir()
    tmp_path.joinpath(activation.RELEASES, "r").symlink_to(tmp_path)
    (tmp_path / activation.CURRENT).symlink_to(tmp_path / activation.RELEASES / "r")
    assert activation.main(["status", str(tmp_path)]) == 1
    assert "release.json: " in json.loads(capsys.readouterr().out)["problem"]
