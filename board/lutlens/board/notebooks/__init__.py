"""Notebooks that `pynq get-notebooks lutlens` copies: first steps, and the live camera."""
