"""Routes, a module per topic."""
