"""Downloads of models, each in a thread of its own that outlives the request that began it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.core.progress import Progress, ProgressEvent
from luoxia.server.refusals import log_where
from luoxia.weights.catalogue import Entry
from luoxia.weights.fetch import fetch

INTERNAL = Text("Something went wrong inside Luoxia; the server's log says where", "Luoxia 内部出错，服务器日志中有位置")
