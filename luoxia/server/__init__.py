"""Luoxia over HTTP: the OpenAI-compatible calls, the studio's own, and the studio itself.

May import `core`, `weights` and `generate`. Thin: it parses, queues, and renders.
"""
