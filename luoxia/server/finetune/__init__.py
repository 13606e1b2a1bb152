"""The studio's page Fine-tune: examples read, a training in a process of its own, and how it goes.

May import what `server` may. No training ever runs in the server's process.
"""
