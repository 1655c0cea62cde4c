"""Hardware in the loop: one suite of checks for the board and for the devices that stand in for it.

What is checked, in order, is `suite.CHECKS`; each check is a function of a `Bench`, and needs nothing that a board has
not. `lutlens hil` runs them, at the far end of an ssh connection or here, and `pytest tests/hil` runs the same.
"""
