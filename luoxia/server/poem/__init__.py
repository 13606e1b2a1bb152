"""The studio's page Poem: poems written in their forms as they grow, and poems checked.

May import what `server` may. PyTorch comes with the first poem, never with the server's start.
"""
