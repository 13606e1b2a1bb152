"""`luoxia serve`: the studio and its OpenAI-compatible API, for this machine."""

from __future__ import annotations

import errno
import ipaddress
import socket
from pathlib import Path
from typing import Annotated

from typer import Option

from luoxia.cli import options
from luoxia.cli.readiness import make_ready
from luoxia.cli.words import say, tell
from luoxia.core.errors import UserError
from luoxia.weights.catalogue import DEFAULT_TEXT_MODEL


def serve(
    host: Annotated[
        str, Option(metavar="ADDRESS", help=say("The address to listen on.", "监听的地址。"))
    ] = "127.0.0.1",
    port: Annotated[
        int,
        Option(
            metavar="N",
            min=0,
            max=65535,
            help=say("The port to listen on; 0 takes a free one.", "监听的端口；0 表示任取空闲端口。"),
        ),
    ] = 7860,
    open_to_network: Annotated[
        bool,
        Option(
            "--open-to-network",
            help=say("Permit an address that others can reach.", "允许使用他人可以访问的地址。"),
        ),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        Option(
            metavar="NAME",
            help=say("A further name that browsers may call it by.", "浏览器可用来访问的其他主机名。"),
        ),
    ] = None,
    draw_with: Annotated[
        list[Path] | None,
        Option(
            metavar="RUN",
            help=say(
                "A run of dalle, or a model's folder, that Draw offers, too; it follows the run's checkpoints.",
                "作画页另外提供的 dalle 训练文件夹或模型文件夹；会跟随训练的检查点。",
            ),
        ),
    ] = None,
    poem_with: Annotated[
        list[Path] | None,
        Option(
            metavar="RUN",
            help=say(
                "A run of verse, or a model's folder, that Poem offers, too; it follows the run's checkpoints.",
                "作诗页另外提供的 verse 训练文件夹或模型文件夹；会跟随训练的检查点。",
            ),
        ),
    ] = None,
    threads: options.Threads = None,
) -> None:
    if not _is_loopback(host):
        if not open_to_network:
            raise UserError(
                f"{host} can be reached by others, who could use this machine without asking; add "
                "--open-to-network if that is what you want",
                f"他人可以访问 {host}，从而随意使用本机；若确需如此，请加 --open-to-network",
            )
        tell(
            f"Warning: everybody who reaches {host} can use this server; it asks for no password. Browsers may "
            "call it by the names that --allow-host gives.",
            f"警告：能访问 {host} 的任何人都可使用本服务器；它不要求密码。浏览器可用 --allow-host 给出的名称访问。",
        )
    _check_runs(draw_with or [], poem_with or [])
    with _listen(host, port) as listening:
        make_ready(DEFAULT_TEXT_MODEL)

        from luoxia.server.run import run  # a fifth of a second that help does not wait for

        url = f"http://{_bracketed(host)}:{listening.getsockname()[1]}"
        print(say(f"Luoxia is at {url} (Ctrl-C ends it)", f"落霞已就绪：{url}（按 Ctrl-C 结束）"), flush=True)
        hosts = [_bracketed(host), *(allow_host or [])]
        run(listening, hosts=hosts, threads=threads, draw_with=draw_with or [], poem_with=poem_with or [])


def _check_runs(draw_with: list[Path], poem_with: list[Path]) -> None:
    """Refuse what does not draw, or writes no poems, before anything is served."""
    for folder in draw_with:
        from luoxia.weights import drawing_folder

        told = drawing_folder.find(folder)
        for kind in ("dalle", "dvae"):
            told.part(kind)
    for folder in poem_with:
        from luoxia.weights import verse_folder

        verse_folder.find(folder)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on; they wait until the server is up."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"port {port} on {host} is in use; choose another with --port",
                f"{host} 的端口 {port} 已被占用；请用 --port 换一个",
            ) from error
        reason = error.strerror or type(error).__name__
        raise UserError(
            f"cannot listen on {host} port {port} ({reason}); choose others with --host and --port",
            f"无法监听 {host} 的端口 {port}（{reason}）；请用 --host 与 --port 另选",
        ) from error
