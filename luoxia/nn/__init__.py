"""Layers used by two or more families: attention with its cache, norms, low-bit linear maps. Imports core only."""
