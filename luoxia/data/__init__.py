"""Bytes into batches: image sets, their order, and the dataset doctor. May import ``core nn models weights``."""
