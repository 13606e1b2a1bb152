"""From Enter to the pictures on the screen, in a real browser, as the page Draw does it.

    python benchmarks/draw_live.py [--rounds 8] [--count 4] [--choice 4] [--json out.json]

Starts `luoxia serve` and Chromium, opens the page with the first model that draws on this machine, and asks for one
prompt after the other. ``sign``: until the page shows that it draws; ``first``: until a first picture on the way is on
the screen; ``whole``: until all pictures are. Medians and worst in milliseconds; the first round is discarded.
Needs: pip install "luoxia[test]", a Chromium, and a model that draws.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from importlib.metadata import version

from playwright.sync_api import Page, sync_playwright

PROMPTS = (
    "a red heart",
    "戴墨镜的猫",
    "a blue rocket",
    "三个草莓",
    "a green tree",
    "一辆红色的汽车",
    "a yellow star",
    "熊猫",
)

ASK = """
async () => {
  const box = document.querySelector('[data-prompt]');
  const article = () => document.querySelector('article');
  const shown = () => [...document.querySelectorAll('.tile canvas')].map((canvas) => canvas.dataset.shown ?? '');
  const frame = () => new Promise(requestAnimationFrame);
  const before = Math.max(0, ...shown().map(Number));
  const began = performance.now(), waits = {};
  box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
  while (article().ariaBusy !== 'true') await frame();
  waits.sign = performance.now() - began;
  while (!shown().some((n) => Number(n) > before)) await frame();
  waits.first = performance.now() - began;
  while (article().ariaBusy === 'true') await frame();
  const last = Math.max(...shown().map(Number));
  await frame();
  while (!shown().every((n) => Number(n) >= last)) await frame();
  waits.whole = performance.now() - began;
  return waits;
}
"""


def measured(page: Page, rounds: int) -> dict[str, dict[str, float]]:
    waits: list[dict[str, float]] = []
    for i in range(rounds + 1):
        page.locator("[data-prompt]").fill(PROMPTS[i % len(PROMPTS)])
        waits.append(page.evaluate(ASK))
        page.wait_for_timeout(300)
    found = {}
    for name in ("sign", "first", "whole"):
        values = [wait[name] for wait in waits[1:]]
        found[name] = {"median_ms": round(statistics.median(values), 1), "worst_ms": round(max(values), 1)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--choice", type=int, default=4)
    parser.add_argument("--json", help="a file for what was measured")
    args = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    server = subprocess.Popen(
        [sys.executable, "-m", "luoxia", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LUOXIA_LANG": "en", "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert server.stdout
        address = next(found[0] for line in server.stdout if (found := re.search(r"http://[\d.:]+", line)))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            knobs = {"count": args.count, "choice": args.choice}
            page.add_init_script(
                f"localStorage.setItem('luoxia.draw', JSON.stringify({{ knobs: {json.dumps(knobs)} }}))"
            )
            page.goto(f"{address}/#/draw")
            page.wait_for_selector("article[aria-busy=false] .tile:enabled", timeout=120_000)
            waits = measured(page, args.rounds)
            browser.close()
    finally:
        server.terminate()
        server.wait(20)
    result = {
        "waits": waits,
        "count": args.count,
        "choice": args.choice,
        "load": os.getloadavg()[0],
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in ("torch", "playwright")},
    }
    print(json.dumps(result, indent=1))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
