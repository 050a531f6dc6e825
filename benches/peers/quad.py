"""Times quad against ducc0, pyshtools and SciPy in one run, one thread each; see README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS", "DUCC0_NUM_THREADS"):
    os.environ[name] = "1"

import ducc0  # noqa: E402  (after the number of threads is set)
import numpy as np  # noqa: E402
import pyshtools  # noqa: E402
import scipy.fft  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--rounds", type=int, default=15)
arguments = parser.parse_args()


class Worker:
    def __init__(self):
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.process = subprocess.Popen(
            [target / "release" / "quad-worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def time(self, name, size):
        self.process.stdin.write(f"{name} {size}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            sys.exit(f"the worker ended at {name} {size}")
        return float(answer[0]), [float(x) for x in answer[1:]]


def clenshaw_curtis(size):
    """Weights by one cosine transform."""
    n = size - 1
    moments = np.zeros(n + 1)
    k = np.arange(0, n + 1, 2)
    moments[::2] = 2.0 / (1.0 - k * k)
    weights = scipy.fft.dct(moments, type=1) / n
    weights[0] /= 2
    weights[-1] /= 2
    return weights


def field(theta, phi):
    s = np.sin(theta)[:, None]
    return np.exp(3 * s * np.cos(phi) - 2 * s * np.sin(phi) + np.cos(theta)[:, None])


def with_ducc(degree):
    rings, columns = degree + 1, 2 * degree + 2
    theta = ducc0.misc.GL_thetas(rings)
    values = field(theta, 2 * np.pi * np.arange(columns) / columns)[None]

    def run():
        return ducc0.sht.analysis_2d(map=values, spin=0, lmax=degree, geometry="GL", nthreads=1)

    def power(alm):
        spectrum = np.zeros(degree + 1)
        index = 0
        for m in range(degree + 1):
            count = degree + 1 - m
            spectrum[m:] += (1 if m == 0 else 2) * np.abs(alm[0, index:index + count]) ** 2
            index += count
        return spectrum

    return run, power


def with_shtools(degree):
    zeros, weights = pyshtools.expand.SHGLQ(degree)
    columns = 2 * degree + 1
    values = field(np.arccos(zeros), 2 * np.pi * np.arange(columns) / columns)

    def run():
        return pyshtools.expand.SHExpandGLQ(values, weights, zeros, norm=4)

    return run, lambda c: np.sum(c ** 2, axis=(0, 2))


def seconds(run, calls=1):
    start = time.perf_counter()
    for _ in range(calls):
        result = run()
    return (time.perf_counter() - start) / calls, result


def compare(worker, rows, name, size, peer, run, numbers, calls=1):
    _, ours = worker.time(name, size)
    theirs = numbers(seconds(run)[1])
    theirs = [float(np.abs(theirs).sum()), float(np.abs(theirs).max())]
    if not all(abs(a - b) <= 1e-11 * abs(b) for a, b in zip(ours, theirs, strict=True)):
        sys.exit(f"{name}/{size}: ours {ours} and {peer}'s {theirs} differ")
    pairs = [(worker.time(name, size)[0], seconds(run, calls)[0]) for _ in range(arguments.rounds)]
    ratios = [a / b for a, b in pairs]
    row = {
        "id": f"{name}/{size}", "peer": peer, "ours_s": min(a for a, _ in pairs),
        "peer_s": min(b for _, b in pairs), "ratio": statistics.median(ratios),
        "ratio_min": min(ratios), "ratio_max": max(ratios), "threads": 1, "same_result": True,
    }
    rows.append(row)
    print(f"{row['id']:<24}{peer:<18}{row['ours_s'] * 1e3:>9.3f}ms{row['peer_s'] * 1e3:>9.3f}ms"
          f"{row['ratio']:>7.2f}{row['ratio_min']:>7.2f}{row['ratio_max']:>7.2f}", flush=True)


def main():
    worker = Worker()
    rows = []
    print(f"{'operation':<24}{'peer':<18}{'ours':>11}{'theirs':>11}{'ratio':>7}{'min':>7}{'max':>7}")
    for size in (1025, 4097):
        compare(worker, rows, "clenshaw-curtis", size, "scipy " + scipy.__version__,
                lambda size=size: clenshaw_curtis(size), lambda w: w, calls=20)
    for degree in (63, 127, 255, 511):
        for peer, make in (("ducc0 " + ducc0.__version__, with_ducc),
                           ("pyshtools " + pyshtools.__version__, with_shtools)):
            run, power = make(degree)
            compare(worker, rows, "analysis", degree, peer, run, power)
    out = ROOT / "target" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "quad.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
