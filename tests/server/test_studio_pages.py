"""The studio's files: served, kept, and nothing around them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from luoxia.server.app import create_app
from luoxia.server.studio import Studio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>studio</title>")
    (folder / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "assets" / "index-5f3a.js").write_text("export {}")
    (tmp_path / "private.txt").write_text("private")
    (folder / "assets" / "link.txt").symlink_to(tmp_path / "private.txt")
    return folder


@pytest.fixture
def url(stage, runner, folder: Path) -> str:
    standing, address = stage
    standing["app"] = create_app(models=runner, studio=Studio(folder))
    return address


def test_the_page_is_asked_for_each_time(client: httpx.Client) -> None:
    answer = client.get("/")
    assert "studio" in answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    again = client.get("/", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")


def test_hashed_files_are_kept_for_good(client: httpx.Client) -> None:
    answer = client.get("/assets/index-5f3a.js")
    assert "javascript" in answer.headers["content-type"]
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.get("/favicon.svg").headers["cache-control"] == "no-cache"


def test_large_files_travel_compressed_and_answers_of_the_api_as_they_are(
    client: httpx.Client, folder: Path
) -> None:
    (folder / "assets" / "large-77aa.js").write_text("export const line = 'the same again';\n" * 200)
    answer = client.get("/assets/large-77aa.js")
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < len(answer.content) / 10
    assert answer.headers["cache-control"].endswith("immutable")
    plain = client.get("/assets/large-77aa.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content
    assert "content-encoding" not in client.get("/api/models").headers


def test_a_missing_file_is_not_kept(client: httpx.Client) -> None:
    answer = client.get("/assets/gone-1234.js")
    assert answer.status_code == 404
    assert "immutable" not in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "/../private.txt",
        "/..%2fprivate.txt",
        "/%2e%2e/private.txt",
        "/%2e%2e%2fprivate.txt",
        "/assets/..%2f..%2fprivate.txt",
        "/assets/%2e%2e/%2e%2e/private.txt",
        "/..%5cprivate.txt",
        "/..%c0%afprivate.txt",
        "/%00private.txt",
        "//private.txt",
        "/%2fetc/passwd",
        "/assets/link.txt",
        "/" + "x" * 5000,
    ],
)
def test_nothing_outside_is_served(client: httpx.Client, path: str) -> None:
    request = client.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=path.encode())
    answer = client.send(request)
    assert answer.status_code in (400, 404)
    assert "private" not in answer.text.replace("private.txt", "")
    assert "root:" not in answer.text


def test_a_missing_studio_says_how_to_get_it(stage, runner, tmp_path) -> None:
    standing, address = stage
    standing["app"] = create_app(models=runner, studio=Studio(tmp_path / "nothing"))
    answer = httpx.get(address, headers={"Accept-Language": "en"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_studio")
    assert "npm run build" in answer.json()["error"]["message"]
    assert httpx.get(f"{address}/assets/x.js").status_code == 404
    assert httpx.get(f"{address}/api/status").status_code == 200
