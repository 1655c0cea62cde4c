"""`lutlens hil`: the checks of `lutlens.board.hil`, run here or at the far end of ssh, and their report."""
