"""From a slider's move to the picture on the screen, in a real browser, as the page Faces does it.

    python benchmarks/faces_live.py [--moves 60] [--json out.json]

Starts `luoxia serve` and Chromium, opens the page, and moves the truncation slider of faces-64. ``steps``: one move at a
time, from the input event until the first frame after the picture that answers it was drawn. ``drag``: the slider moves
with every frame of the browser for as many moves; each move counts until a picture of that value or a later one is on
the screen, and ``pictures`` says how many were shown meanwhile. ``http``: the same pictures asked for one at a time by
ordinary requests, for comparison. Medians and 95th percentiles in milliseconds; the first moves are discarded.
Needs: pip install "luoxia[test]" and a Chromium.
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

WARM = 10  # moves that do not count

WATCH = """
() => {
  const figure = document.querySelector('[data-asked]'), canvas = figure.querySelector('canvas');
  const slider = document.querySelector('aside input[type=range]');
  const shown = () => Number(canvas.dataset.shown), asked = () => Number(figure.dataset.asked);
  window.waits = [];
  window.pictures = 0;
  const open = [];
  new MutationObserver(() => {
    window.pictures++;
    requestAnimationFrame(() => {
      const now = performance.now();
      while (open.length && open[0].n <= shown()) window.waits.push(now - open.shift().at);
    });
  }).observe(canvas, { attributes: true, attributeFilter: ['data-shown'] });
  window.move = async (value) => {
    const at = performance.now();
    slider.value = value;
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    await Promise.resolve();
    await new Promise((done) => setTimeout(done)); // the page has asked by now
    open.push({ n: asked(), at });
  };
  window.rest = async () => {
    while (open.length) await new Promise(requestAnimationFrame);
  };
}
"""

STEPS = """
async (moves) => {
  for (let i = 0; i < moves; i++) {
    await move(0.2 + 0.8 * i / moves);
    await rest();
    await new Promise((done) => setTimeout(done, 60));
  }
  return waits.splice(0);
}
"""

DRAG = """
async (moves) => {
  window.pictures = 0;
  for (let i = 0; i < moves; i++) {
    await move(0.2 + 0.8 * Math.abs(Math.sin(i / 20)));
    await new Promise(requestAnimationFrame);
  }
  await rest();
  return { waits: waits.splice(0), pictures };
}
"""

HTTP = """
async (moves) => {
  const canvas = document.createElement('canvas'), waits = [];
  canvas.width = canvas.height = 512;
  document.body.append(canvas);
  for (let i = 0; i < moves; i++) {
    const at = performance.now();
    const face = { seed: 1, psi: 0.2 + 0.8 * i / moves };
    const answer = await fetch('/api/faces/sheet', {
      method: 'POST', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ model: 'faces-64', what: { kind: 'faces', faces: [face] } }),
    });
    canvas.getContext('2d').drawImage(await createImageBitmap(await answer.blob()), 0, 0, 512, 512);
    await new Promise(requestAnimationFrame);
    waits.push(performance.now() - at);
    await new Promise((done) => setTimeout(done, 60));
  }
  canvas.remove();
  return waits;
}
"""


def summary(waits: list[float]) -> dict[str, float]:
    kept = sorted(waits[WARM:])
    return {
        "moves": len(kept),
        "median_ms": round(statistics.median(kept), 1),
        "p95_ms": round(kept[int(0.95 * (len(kept) - 1))], 1),
        "worst_ms": round(kept[-1], 1),
    }


def measure(page: Page, moves: int) -> dict[str, object]:
    page.wait_for_selector("canvas[data-shown]:not([data-shown='0'])", timeout=60_000)
    # What can be changed is learned once, with both cores; that is not what is measured.
    page.wait_for_selector("aside input[type=range] >> nth=3", timeout=180_000)
    page.wait_for_timeout(1500)
    page.evaluate(WATCH)
    steps = page.evaluate(STEPS, moves + WARM)
    drag = page.evaluate(DRAG, moves + WARM)
    http = page.evaluate(HTTP, moves + WARM)
    return {
        "steps": summary(steps),
        "drag": {**summary(drag["waits"]), "pictures": drag["pictures"]},
        "http": summary(http),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--json")
    given = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if program is None:
        sys.exit("no Chromium on this machine")
    command = [sys.executable, "-m", "luoxia", "serve", "--port", "0"]
    environment = {**os.environ, "LUOXIA_LANG": "en", "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert server.stdout
        line = next(line for line in server.stdout if "http://" in line)
        address = re.search(r"http://[\d.:]+", line)
        assert address, line
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(f"{address[0]}/#/faces")
            found = measure(page, given.moves)
            browser.close()
    finally:
        server.terminate()
        server.wait(20)
    facts = {"machine": platform.machine(), "cores": os.cpu_count(), "torch": version("torch"), **found}
    print(json.dumps(facts, indent=1))
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(facts, file, indent=1)


if __name__ == "__main__":
    main()
