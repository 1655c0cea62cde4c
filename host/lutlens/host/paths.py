"""Where the parts of a checkout lie that are not Python: hand-written RTL, shipped overlays."""

import os
from pathlib import Path

# A deployed release is no checkout: it says where its copy of them lies.
REPOSITORY = Path(os.environ.get("LUTLENS_REPOSITORY") or Path(__file__).resolve().parents[3])
RTL_DIRECTORY = REPOSITORY / "rtl"
