"""Published weights: which models there are, how their files come here, and how they are read into `models`.

May import `core`, `nn` and `models`.
"""
