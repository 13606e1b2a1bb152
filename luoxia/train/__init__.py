"""The one loop that trains every model. May import ``core nn models weights data objectives``."""
