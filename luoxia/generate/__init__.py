"""From a model to samples: token decoding, constraints, low-bit inference. Imports weights and the rooms above it."""
