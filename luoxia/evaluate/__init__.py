"""Numbers and plots from samples: distances between distributions, likelihood, memorisation, latents, pictures.

Knows tensors and callables rather than models. May import core, nn, models, weights, data, objectives and train.
"""
