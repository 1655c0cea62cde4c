"""Fixtures that every room's tests share."""

import sys
from pathlib import Path

# Shared test code lives in tests/support and is imported as `support.NAME`.
sys.path.insert(0, str(Path(__file__).parent))
