"""The studio's pages, built into ``static/`` beside this file."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from luoxia.server.errors import NoStudioError

STATIC = Path(__file__).parent / "static"


class Studio(StaticFiles):
    """Files whose name has their hash are kept for good; the page that names them is asked for each time."""

    def __init__(self, folder: Path = STATIC) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)
        self.folder = folder

    async def get_response(self, path: str, scope: Scope) -> Response:
        if scope["method"] in ("GET", "HEAD") and not (self.folder / "index.html").is_file():
            if path != ".":
                raise HTTPException(404)
            raise NoStudioError(
                "the studio's pages are not in this installation: build them with `npm ci && npm run build` "
                "in studio/, or install the released package; the API under /v1 works without them",
                "此安装不含工作室页面：请在 studio/ 中运行 `npm ci && npm run build`，"
                "或安装正式发布的软件包；/v1 下的 API 不受影响",
            )
        response = await super().get_response(path, scope)
        hashed = path.startswith("assets/")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response

    async def check_config(self) -> None:
        """A missing folder is answered in words, above."""
