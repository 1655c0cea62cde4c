"""Deployment: an overlay and the board's software onto another machine, by ssh, whole or not at all.

    look at the far end -> put the release together -> copy and verify -> install -> rehearse -> switch

A *release* is a directory at the far end, named by the hash of its files: the wheel, the overlay,
the systemd unit, and a virtual environment of its own, layered over PYNQ's. PYNQ's is not changed:
its Jupyter needs older packages than the service does, and the release before keeps what it ran
with. `ROOT/current` points at the release that runs.

What runs at the far end is `lutlens.board.activation`, `lutlens.board.services`, and two files here:
`probe.py` (by whatever Python there is) and `rehearsal.py` (by the release's).
"""


class DeploymentError(RuntimeError):
    """A step that failed; the message says which, why, and what still runs at the far end."""
