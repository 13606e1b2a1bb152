"""What ``luoxia finetune`` does to its folder, without learning anything: for tests of those who look on."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

STEPS, PACE = 20, 0.05  # seconds a step


def main(arguments: list[str]) -> int:
    def value(name: str, default: str = "") -> str:
        return arguments[arguments.index(name) + 1] if name in arguments else default

    stopped = []
    signal.signal(signal.SIGINT, lambda *_: stopped.append(True))
    folder = Path(value("--resume") or value("--run"))
    if not folder.exists():
        if "--licence=fail" in arguments:
            print("this cannot be learned", file=sys.stderr)
            return 2
        folder.mkdir(parents=True)
        steps = int(value("--steps", str(STEPS)))
        recipe = {
            "settings": {"steps": steps, "batch_size": 4},
            "data": {"rows": 8, "tokens": 800},
        }
        (folder / "recipe.json").write_text(json.dumps(recipe))
    steps = json.loads((folder / "recipe.json").read_text())["settings"]["steps"]
    metrics = folder / "metrics.jsonl"
    done = (
        sum("nats_per_token" in json.loads(row) for row in metrics.read_text().splitlines())
        if metrics.exists()
        else 0
    )
    for step in range(done + 1, steps + 1):
        with metrics.open("a") as file:
            file.write(
                json.dumps({"step": step, "nats_per_token": 3 / step, "tokens_per_second": 100.0}) + "\n"
            )
            if step % 5 == 0:
                file.write(json.dumps({"step": step, "held_out_nats_per_token": 3 / step + 0.5}) + "\n")
        print(f"step {step}/{steps}", file=sys.stderr, flush=True)
        if stopped:
            (folder / "train_state" / f"step-{step}").mkdir(parents=True)
            return 130
        time.sleep(PACE)
    row = {"question": "is 1 a number?", "before": "<b>perhaps</b>", "after": "yes.", "wanted": "yes."}
    found = {"nats_before": 2.0, "nats_after": 0.5, "tables": {"answers_beside": [row]}}
    (folder / "evaluation.json").write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
