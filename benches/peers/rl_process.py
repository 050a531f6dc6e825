"""Times rollouts of a Python simulator asked from rl-pg, and from Python over multiprocessing's pipes; see README.md.

The latter is how stable-baselines3's SubprocVecEnv asks: pickles over a pipe. Both ask the same worker function for the
same contexts (4 numbers) and actions (15) and get a reward and 4 metrics. Times are of a clock, the least of 8.
"""

import json
import math
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def rollout(context, action, seed):
    return action[0] * context[0] + action[14], {"a": action[0], "b": action[1], "c": action[2], "d": action[3]}


def serve():
    sys.path.insert(0, str(ROOT / "crates" / "rl-pg" / "python"))
    import plumbline_worker

    plumbline_worker.serve(rollout, context=4, action=15, metrics=["a", "b", "c", "d"], binary=sys.argv[2] == "binary")


def answer(pipe):
    while True:
        requests = pipe.recv()
        if requests is None:
            return
        pipe.send([rollout(*request) for request in requests])


def theirs(batch):
    """Least seconds for a rollout, and the sum of the rewards."""
    ours, other = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=answer, args=(other,))
    process.start()
    requests = [([math.sin(7 * i + 13 * j) for i in range(4)], [math.sin(7 * i + 13 * j) for i in range(15)], j)
                for j in range(batch)]
    rounds, times = 8192 // batch, []
    for _ in range(8):
        start = time.perf_counter()
        for _ in range(rounds):
            ours.send(requests)
            total = sum(reward for reward, _ in ours.recv())
        times.append((time.perf_counter() - start) / (rounds * batch))
    ours.send(None)
    process.join()
    return min(times), total


def main():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    table = []
    print(f"{'rollout':<14}{'ours':>10}{'pickles':>10}{'ratio':>8}   load {os.getloadavg()[0]:.1f}")
    peers = {batch: theirs(batch) for batch in (1, 64, 256)}
    command = [target / "release" / "rl-process", sys.executable, __file__, "serve"]
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        name, least, _, total = line.split()
        peer, expected = peers[int(name.split("/")[1])]
        if abs(float(total) - expected) > 1e-12 * (1 + abs(expected)):
            sys.exit(f"{name}: ours {total} and theirs {expected} differ")
        ratio = float(least) / peer
        table.append({"id": name, "peer": "multiprocessing", "ours_s": float(least), "peer_s": peer, "ratio": ratio,
                      "ratio_min": ratio, "ratio_max": ratio, "threads": 1, "same_result": True})
        print(f"{name:<14}{float(least) * 1e6:>8.1f}us{peer * 1e6:>8.1f}us{ratio:>8.2f}")
    out = ROOT / "target" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "rl_process.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    serve() if sys.argv[1:2] == ["serve"] else main()
