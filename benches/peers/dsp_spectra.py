#!/usr/bin/env python3
"""Times dsp's transforms against SciPy, librosa and realfft in one run; README.md says how.

Both sides take the same inputs, run in turn on one thread, and the answers are compared before the times are.
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
arguments.add_argument("--only", default="", help="rows whose name contains this")
arguments.add_argument("--rounds", type=int, default=7, help="pairs per row")
arguments = arguments.parse_args()

for variable in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
import scipy.fft
import scipy.signal

ROOT = pathlib.Path(__file__).resolve().parents[2]
EVEN = [1024, 2048, 4096, 16384, 65536, 262144, 44100, 48000, 1000000]
ODD = [999, 1001, 1125, 2187, 4095, 11025, 65535, 99225, 22051, 30021]
PRIME = [251, 1009, 10007, 44101, 65537, 100003, 1000003]


def uniform(seed, count):
    """As benches::uniform: SplitMix64 of a counter."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, count + 1, dtype=np.uint64) + (np.uint64(seed) << np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 0.5


class Worker:
    def __init__(self):
        path = ROOT / "target/release/dsp-spectra-worker"
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def time(self, who, operation, size):
        self.process.stdin.write(f"{who} {operation} {size}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            sys.exit(f"the worker ended at {who} {operation} {size}")
        return float(answer[0]), [float(x) for x in answer[1:]]


def transform(dtype):
    def make(n):
        return uniform(1, n).astype(dtype)

    def run(x):
        repeat, best = max(200_000 // len(x), 1), float("inf")
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(repeat):
                result = scipy.fft.rfft(x)
            best = min(best, (time.perf_counter() - start) / repeat)
        return best, np.abs(result)

    return make, run


def stereo(dtype):
    return lambda seconds: [uniform(seed, seconds * 44100).astype(dtype) for seed in (1, 2)]


def timed(function):
    def run(channels):
        start = time.perf_counter()
        result = [function(x) for x in channels]
        return time.perf_counter() - start, np.concatenate([np.abs(r).astype(np.float64).ravel() for r in result])

    return run


def librosa_power(x):
    import librosa

    # Frames centred, zeros beyond the ends, as ours.
    return np.abs(librosa.stft(x, n_fft=2048, hop_length=512, pad_mode="constant")) ** 2


def welch(x):
    return scipy.signal.welch(x, 44100.0, nperseg=2048, noverlap=1536)[1]


# Name: sizes, input, the peer's name and run, what the sums may differ by.
OPERATIONS = {
    "rfft": (EVEN + ODD + PRIME, *transform(np.float64), "scipy", 1e-12),
    "rfft-f32": (EVEN + ODD + PRIME, *transform(np.float32), "scipy", 1e-5),
    # The last frame is one that librosa has not: the length is no multiple of the hop.
    "stft-power": ([60], stereo(np.float64), timed(librosa_power), "librosa", 2e-3),
    "stft-power-f32": ([60], stereo(np.float32), timed(librosa_power), "librosa", 2e-3),
    "welch": ([60], stereo(np.float64), timed(welch), "scipy", 1e-10),
    "welch-f32": ([60], stereo(np.float32), timed(welch), "scipy", 1e-4),
}


def main():
    worker = Worker()
    rows = []
    print(f"{'operation':<22}{'peer':>15}{'ours':>12}{'peer':>12}{'ratio':>8}{'min':>7}{'max':>7}")
    for operation, (sizes, make, run, peer, tolerance) in OPERATIONS.items():
        for size in sizes:
            name = f"{operation}/{size}"
            if arguments.only not in name:
                continue
            problem = make(size)
            _, theirs = run(problem)
            _, ours = worker.time("dsp", operation, size)
            for mine, other in zip(ours, [theirs.sum(), theirs.max()], strict=True):
                if not abs(mine - other) <= tolerance * abs(other):
                    sys.exit(f"{name}: ours {ours} and {peer}'s {[theirs.sum(), theirs.max()]} differ")
            peers = {peer: lambda: run(problem)[0]}
            if operation.startswith("rfft"):
                for rust in ("realfft", "realfft-copied"):
                    peers[rust] = lambda rust=rust: worker.time(rust, operation, size)[0]
            pairs = {peer: [] for peer in peers}
            for _ in range(arguments.rounds):
                mine = worker.time("dsp", operation, size)[0]
                for other, timing in peers.items():
                    pairs[other].append((mine, timing()))
            for other, times in pairs.items():
                ratios = [a / b for a, b in times]
                row = {
                    "id": name, "peer": other,
                    "ours_s": statistics.median(a for a, _ in times),
                    "peer_s": statistics.median(b for _, b in times),
                    "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
                    "threads": 1, "same_result": True,
                }
                rows.append(row)
                print(f"{name:<22}{other:>15}{row['ours_s'] * 1e6:>10.1f}us{row['peer_s'] * 1e6:>10.1f}us"
                      f"{row['ratio']:>8.2f}{row['ratio_min']:>7.2f}{row['ratio_max']:>7.2f}", flush=True)
    target = ROOT / "target/bench"
    target.mkdir(parents=True, exist_ok=True)
    (target / "dsp_spectra.json").write_text(json.dumps(rows, indent=1))


main()
