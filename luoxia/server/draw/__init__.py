"""The studio's page Draw: pictures from words, filled in as they are drawn; and OpenAI's ways of asking for them.

May import what `server` may. PyTorch comes with the first picture, never with the server's start.
"""
