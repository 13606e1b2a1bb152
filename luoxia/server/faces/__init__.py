"""The studio's page Faces: pictures over a WebSocket as fast as sliders move, and the long work around them.

May import what `server` may. PyTorch comes with the first picture, never with the server's start.
"""
