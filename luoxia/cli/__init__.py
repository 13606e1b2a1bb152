"""Luoxia on the command line: parse, call, print.

May import every room. PyTorch is imported where a model is loaded, so that help and lists come at once.
"""
