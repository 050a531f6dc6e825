#!/usr/bin/env python3
"""Times dsp's MUSIC against numpy and spectrum.pmusic in one run; README.md says how.

Both sides take the same samples, run in turn on one thread, and the answers are compared before the times are.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
arguments.add_argument("--rounds", type=int, default=7, help="pairs per row")
arguments = arguments.parse_args()

for variable in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

try:
    from spectrum import pmusic
except ImportError:
    pmusic = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES, SUBARRAY, POINTS = 192, 64, 10_000
ANGLES = np.array([-1.9, -0.4, 0.35, 1.3])


def uniform(seed, count):
    """As benches::uniform: SplitMix64 of a counter."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, count + 1, dtype=np.uint64) + (np.uint64(seed) << np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 0.5


def signal():
    noise = uniform(1, 2 * SAMPLES)
    k = np.arange(SAMPLES)
    return np.exp(1j * np.outer(k, ANGLES)).sum(axis=1) + 0.2 * (noise[0::2] + 1j * noise[1::2])


X = signal()
GRID = 2 * np.pi * np.arange(POINTS) / POINTS
STEERING = np.exp(1j * np.outer(np.arange(SUBARRAY), GRID))


def noise_subspace():
    windows = np.lib.stride_tricks.sliding_window_view(X, SUBARRAY).T
    forward = windows @ windows.conj().T / windows.shape[1]
    both = (forward + forward[::-1, ::-1].conj()) / 2
    return np.linalg.eigh(both)[1][:, : SUBARRAY - 4]


NOISE = noise_subspace()


def grid():
    return np.sum(np.abs(NOISE.conj().T @ STEERING) ** 2, axis=0)


def music():
    d = np.sum(np.abs(noise_subspace().conj().T @ STEERING) ** 2, axis=0)
    lowest = np.flatnonzero((d < np.roll(d, 1)) & (d <= np.roll(d, -1)))
    return GRID[lowest[np.argsort(d[lowest])[:4]]]


def roots():
    projector = NOISE @ NOISE.conj().T
    return np.roots([np.trace(projector, offset) for offset in range(SUBARRAY - 1, -SUBARRAY, -1)])


def with_spectrum():
    found = pmusic(X, SUBARRAY, NSIG=4, NFFT=16384)
    found.run()
    return np.asarray(found.psd)


class Worker:
    def __init__(self):
        path = ROOT / "target/release/dsp-subspace-worker"
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, operation):
        self.process.stdin.write(operation + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            sys.exit(f"the worker ended at {operation}")
        return float(answer[0]), np.array([float(x) for x in answer[1:]])


def timed(function):
    function()
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def same_angles(ours, theirs):
    """Ours are polished, theirs on the grid."""
    turn = np.exp(1j * (np.sort(ours % (2 * np.pi)) - np.sort(theirs % (2 * np.pi))))
    return np.max(np.abs(np.angle(turn))) <= np.pi / POINTS * 1.01


def same_roots(ours, theirs):
    ours = ours[0::2] + 1j * ours[1::2]
    distance = np.abs(ours[:, None] - theirs[None, :]).min(axis=1) / np.maximum(1, np.abs(ours))
    print(f"roots differ by {distance.max():.1e} at most, relative beyond the circle")
    # Those on the circle are near pairs, which rounding moves by its root.
    return len(ours) == len(theirs) and distance.max() <= 1e-10


OPERATIONS = {
    "grid": ("numpy", grid, lambda ours, theirs: np.max(np.abs(ours - theirs)) <= 1e-10),
    "music": ("numpy", music, same_angles),
    "roots": ("numpy.roots", roots, same_roots),
}


def main():
    worker = Worker()
    rows = []
    print(f"load {os.getloadavg()[0]:.1f}")
    print(f"{'operation':<10}{'peer':>18}{'ours':>12}{'peer':>12}{'ratio':>8}{'min':>7}{'max':>7}")
    for name, (peer, function, same) in OPERATIONS.items():
        if not same(worker.run(name)[1], function()):
            sys.exit(f"{name}: ours and {peer}'s differ")
        peers = {peer: (function, True)}
        if name == "music":
            if pmusic is None:
                print("spectrum is missing: pip install spectrum")
            else:
                # It takes the first 164 samples only, so its answer is another one.
                peers["spectrum.pmusic"] = (with_spectrum, False)
        for other, (run, equal) in peers.items():
            pairs = [(worker.run(name)[0], timed(run)) for _ in range(arguments.rounds)]
            ratios = [ours / theirs for ours, theirs in pairs]
            row = {
                "id": f"subspace-{name}", "peer": other,
                "ours_s": statistics.median(a for a, _ in pairs), "peer_s": statistics.median(b for _, b in pairs),
                "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
                "threads": 1, "same_result": equal,
            }
            rows.append(row)
            print(f"{name:<10}{other:>18}{row['ours_s'] * 1e6:>10.1f}us{row['peer_s'] * 1e6:>10.1f}us"
                  f"{row['ratio']:>8.4f}{row['ratio_min']:>7.4f}{row['ratio_max']:>7.4f}", flush=True)
    target = ROOT / "target/bench"
    target.mkdir(parents=True, exist_ok=True)
    (target / "subspace.json").write_text(json.dumps(rows, indent=1))


main()
