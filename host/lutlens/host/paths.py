"""Where the parts of a checkout lie that are not Python: hand-written RTL, shipped overlays."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
RTL_DIRECTORY = REPOSITORY / "rtl"
