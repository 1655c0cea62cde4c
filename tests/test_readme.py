"""The README's example does what it says."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_first_example_learns_xor() -> None:
    code, expected = re.findall(r"```python\n(.*?# (\[\[.*?\]\]).*?)```", README.read_text(), re.S)[
        0
    ]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == expected
