"""What is optimised: losses as lists of phases. Knows tensors and callables; imports ``core`` and ``nn`` alone."""
