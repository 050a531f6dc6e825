"""Inverts random tanh networks with nn-invert's search and with SciPy's least_squares; see README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402  (after the number of threads is set)
from scipy.optimize import least_squares  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--networks", type=int, default=100)
parser.add_argument("--starts", type=int, default=20)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--only", default="", help="rows whose widths contain this")
arguments = parser.parse_args()

WIDTHS = [(10, 20, 20, 10), (10, 30, 10), (40, 10, 30, 10), (30, 20, 10), (10, 20, 30), (64, 64, 64, 64)]
GAIN = {(64, 64, 64, 64): 1.0}


def uniform(seed, count):
    """Uniform on [-1/2, 1/2) by SplitMix64, as benches::uniform makes it."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)) * 2.0**-53 - 0.5


def unit(seed, count):
    return np.sqrt(12.0) * uniform(seed, count)


class Problem:
    def __init__(self, widths, gain, index):
        self.seed = 1000 * (index + 1)
        self.layers = []
        for layer, (n, m) in enumerate(zip(widths, widths[1:]), 1):
            w = unit(self.seed + layer, n * m).reshape(n, m).T * (gain / np.sqrt(n))
            self.layers.append((np.ascontiguousarray(w), 0.1 * unit(self.seed + 10 + layer, m)))
        self.inputs = widths[0]
        self.target = self.value(unit(self.seed + 20, self.inputs))

    def value(self, x):
        w, b = self.layers[0]
        h = w @ x + b
        for w, b in self.layers[1:]:
            h = w @ np.tanh(h) + b
        return h

    def residual(self, x):
        return self.value(x) - self.target

    def jacobian(self, x):
        w, b = self.layers[0]
        h, j = w @ x + b, w
        for w, b in self.layers[1:]:
            a = np.tanh(h)
            j = w @ ((1.0 - a * a)[:, None] * j)
            h = w @ a + b
        return j

    def start(self, k):
        return np.zeros(self.inputs) if k == 0 else unit(self.seed + 30 + k, self.inputs)

    def invert(self, starts):
        best = np.inf
        for k in range(starts):
            done = least_squares(self.residual, self.start(k), self.jacobian, method="trf",
                                 xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=200)
            best = min(best, np.linalg.norm(done.fun) / np.linalg.norm(self.target))
            if best <= 1e-10:
                break
        return k + 1, best


worker = subprocess.Popen([ROOT / "target/release/invert-search-worker"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True)


def ours(widths, gain, index, starts):
    worker.stdin.write(f"{','.join(map(str, widths))} {gain} {index} {starts} {arguments.rounds}\n")
    worker.stdin.flush()
    seconds, used, residual = worker.stdout.readline().split()
    return float(seconds), int(used), float(residual)


results = []
print(f"{'widths':>18} {'first':>11} {'within':>11} {'starts':>13} {'us/start':>15}  ratio of times per start")
for widths in WIDTHS:
    name = "-".join(map(str, widths))
    if arguments.only not in name:
        continue
    gain = GAIN.get(widths, 1.5)
    ratios, first, within, starts, seconds = [], [0, 0], [0, 0], [0, 0], [0.0, 0.0]
    for index in range(arguments.networks):
        problem = Problem(widths, gain, index)
        least = np.inf
        for _ in range(arguments.rounds):
            begin = time.perf_counter()
            used, best = problem.invert(arguments.starts)
            least = min(least, time.perf_counter() - begin)
        sides = [ours(widths, gain, index, arguments.starts), (least, used, best)]
        for side, (spent, used, residual) in enumerate(sides):
            within[side] += int(residual <= 1e-10)
            first[side] += int(residual <= 1e-10 and used == 1)
            starts[side] += used
            seconds[side] += spent
        ratios.append((sides[0][0] / sides[0][1]) / (sides[1][0] / sides[1][1]))
    per = [1e6 * s / n for s, n in zip(seconds, starts)]
    print(f"{name:>18} {first[0]:>4} / {first[1]:>4} {within[0]:>4} / {within[1]:>4} {starts[0]:>5} / {starts[1]:>5} "
          f"{per[0]:>6.0f} / {per[1]:>6.0f}  {statistics.median(ratios):.3f} ({min(ratios):.3f}..{max(ratios):.3f}), "
          f"of the sums {per[0] / per[1]:.3f}")
    sys.stdout.flush()
    results.append({"id": f"invert-search/{name}", "peer": "scipy least_squares trf", "threads": 1,
                    "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
                    "ours_s": per[0] * 1e-6, "peer_s": per[1] * 1e-6, "success": within, "first_start": first,
                    "same_result": True})
worker.stdin.close()
path = ROOT / "target/bench/invert_search.json"
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps(results, indent=1))
