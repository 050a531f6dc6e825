"""Times nn-invert's layer-wise inverse against NumPy and SciPy in one run; see README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--only", default="", help="rows whose name contains this")
parser.add_argument("--large", action="store_true", help="dense 10,000 and newton_krylov: minutes")
arguments = parser.parse_args()
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = str(arguments.threads)

import numpy as np  # noqa: E402  (after the number of threads is set)
import scipy  # noqa: E402
import scipy.linalg  # noqa: E402
import scipy.optimize  # noqa: E402
import scipy.sparse  # noqa: E402
import scipy.sparse.linalg  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PEER = "scipy " + scipy.__version__
# One thread: processor time, which other programs disturb least. More: the clock's.
now = time.process_time if arguments.threads == 1 else time.perf_counter


class Worker:
    def __init__(self):
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.process = subprocess.Popen(
            [target / "release" / "invert-worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, case, file):
        self.process.stdin.write(f"{case} {file}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            sys.exit(f"the worker ended at {case}")
        ready, ready_wall, invert, invert_wall, residual, size = map(float, answer)
        if arguments.threads > 1:
            ready, invert = ready_wall, invert_wall
        return ready, invert, residual, size


def leaky(z):
    return np.where(z > 0, z, 0.1 * z)


def leaky_inverse(a):
    return np.where(a > 0, a, 10 * a)


FUNCTIONS = {"leaky": (leaky, leaky_inverse), "tanh": (np.tanh, np.arctanh)}


class Case:
    """Layers of one kind, an activation between them, and targets that have inputs."""

    def __init__(self, kind, activation, n, layers, targets, radius=1.0):
        rng = np.random.default_rng(1)
        self.kind, self.activation, self.n, self.count = kind, activation, n, layers
        self.f, self.g = FUNCTIONS[activation]
        self.biases = [rng.uniform(-0.1, 0.1, n) for _ in range(layers)]
        self.layers, arrays = [], [np.array([n, layers], float)]
        for bias in self.biases:
            arrays += [*self.layer(rng, n, radius), bias]
        self.x = rng.standard_normal((n, targets)) * 0.3
        self.y = self.forward(self.x)
        arrays.append(self.y.T)
        self.file = tempfile.NamedTemporaryFile(suffix=".f64")
        for array in arrays:
            flat = np.ascontiguousarray(array, float).ravel()
            self.file.write(np.concatenate([[float(flat.size)], flat]).tobytes())
        self.file.flush()

    def layer(self, rng, n, radius):
        if self.kind == "dense":
            w = rng.standard_normal((n, n)) * (0.5 / np.sqrt(n)) + np.eye(n)
            self.layers.append(np.asfortranarray(w))
            return [w.T]
        if self.kind == "sparse":
            rows = np.repeat(np.arange(n), 10)
            columns = rng.integers(0, n, 10 * n)
            values = rng.standard_normal(10 * n) * radius / np.sqrt(10)
            w = scipy.sparse.csr_matrix((values, (rows, columns)), shape=(n, n)) + 2 * scipy.sparse.identity(n)
            w = w.tocsr()
            self.layers.append(w)
            coo = w.tocoo()
            return [np.stack([coo.row, coo.col, coo.data], axis=1)]
        if self.kind == "banded":
            ab = rng.standard_normal((5, n)) * 0.2
            ab[2] += 2
            w = scipy.sparse.dia_matrix((ab, [2, 1, 0, -1, -2]), shape=(n, n)).tocsr()
            self.layers.append((ab, w))
            return [ab]
        d, u, v = rng.uniform(1, 2, n), rng.standard_normal((n, 32)), rng.standard_normal((n, 32))
        u, v = u / np.sqrt(n), v / np.sqrt(n)
        self.layers.append((d, np.asfortranarray(u), np.asfortranarray(v)))
        return [d, u.T, v.T]

    def product(self, layer, h):
        if self.kind == "banded":
            return layer[1] @ h
        if self.kind == "low":
            d, u, v = layer
            return d[:, None] * h + u @ (v.T @ h)
        return layer @ h

    def forward(self, h):
        for k, (layer, bias) in enumerate(zip(self.layers, self.biases, strict=True)):
            if k:
                h = self.f(h)
            h = self.product(layer, h) + bias[:, None]
        return h

    def ready(self):
        if self.kind == "dense":
            return [scipy.linalg.lu_factor(layer, check_finite=False) for layer in self.layers]
        if self.kind == "low":
            made = []
            for d, u, v in self.layers:
                du = u / d[:, None]
                made.append((d, du, v, scipy.linalg.lu_factor(np.eye(32) + v.T @ du)))
            return made
        return self.layers

    def solve(self, ready, r):
        if self.kind == "dense":
            return scipy.linalg.lu_solve(ready, r, check_finite=False)
        if self.kind == "banded":
            return scipy.linalg.solve_banded((2, 2), ready[0], r, check_finite=False)
        if self.kind == "low":
            d, du, v, core = ready
            h = r / d[:, None]
            return h - du @ scipy.linalg.lu_solve(core, v.T @ h)
        columns = [scipy.sparse.linalg.bicgstab(ready, column, rtol=1e-9)[0] for column in r.T]
        return np.stack(columns, axis=1)

    def back(self, ready):
        h = self.y
        for k in reversed(range(self.count)):
            h = self.solve(ready[k], h - self.biases[k][:, None])
            if k:
                h = self.g(h)
        return h

    def residual(self, x):
        return np.max(np.linalg.norm(self.forward(x) - self.y, axis=0) / np.linalg.norm(self.y, axis=0))


def measure(case, evidence):
    """Seconds to make ready, and to invert, with the residual or without."""
    start = now()
    ready = case.ready()
    middle = now()
    x = case.back(ready)
    if evidence:
        case.residual(x)
    return middle - start, now() - middle, x


def report(rows, name, threads, pairs, per=1):
    ratios = [a / b for a, b in pairs]
    row = {
        "id": name, "peer": PEER, "ours_s": min(a for a, _ in pairs) / per, "peer_s": min(b for _, b in pairs) / per,
        "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
        "threads": threads, "same_result": True,
    }
    rows.append(row)
    print(f"{name:<46}{row['ours_s'] * 1e3:>11.3f}ms{row['peer_s'] * 1e3:>11.3f}ms{row['ratio']:>8.2f}"
          f"{row['ratio_min']:>7.2f}{row['ratio_max']:>7.2f}", flush=True)


def compare(worker, rows, name, case, extra="", limit=1e-8):
    words = f"{case.kind}-{case.activation}{extra}" + ("-pool" if arguments.threads > 1 else "")
    if arguments.only not in name:
        return None
    ours, theirs = [], {True: [], False: []}
    for _ in range(arguments.rounds):
        ready, invert, residual, size = worker.run(words, case.file.name)
        ours.append((ready, invert))
        for evidence in (True, False):
            *seconds, x = measure(case, evidence)
            theirs[evidence].append(seconds)
    if residual > limit or case.residual(x) > 10 * limit:
        sys.exit(f"{name}: residuals {residual:e} and {case.residual(x):e}")
    if abs(size / np.linalg.norm(x[:, -1]) - 1) > 1e-6:
        sys.exit(f"{name}: the inputs differ")
    count = case.y.shape[1]
    both = list(zip(ours, theirs[True], strict=True))
    bare = list(zip(ours, theirs[False], strict=True))
    threads = arguments.threads
    report(rows, f"{name}: all, with residuals", threads, [(sum(a), sum(b)) for a, b in both])
    report(rows, f"{name}: each target, with residuals", threads, [(a[1], b[1]) for a, b in both], count)
    report(rows, f"{name}: each target, theirs without", threads, [(a[1], b[1]) for a, b in bare], count)
    return min(a[1] for a in ours) / count


def main():
    worker, rows = Worker(), []
    print(f"{'operation':<46}{'ours':>13}{'theirs':>13}{'ratio':>8}{'min':>7}{'max':>7}")
    one = compare(worker, rows, "dense 1000, 1 target", Case("dense", "tanh", 1000, 2, 1))
    many = compare(worker, rows, "dense 1000, 256 targets", Case("dense", "tanh", 1000, 2, 256))
    if one and many:
        print(f"    each of 256 takes {many / one:.3f} of a single one")
    compare(worker, rows, "dense 1000 in f32, 1 target", Case("dense", "tanh", 1000, 2, 1), "-single")
    for activation in ("leaky", "tanh"):
        name = f"sparse 100000 {activation}"
        one = compare(worker, rows, f"{name}, 1 target", Case("sparse", activation, 100_000, 3, 1))
        many = compare(worker, rows, f"{name}, 8 targets", Case("sparse", activation, 100_000, 3, 8))
        if one and many:
            print(f"    each of 8 takes {many / one:.3f} of a single one")
    for n in (10_000, 1_000_000):
        compare(worker, rows, f"sparse {n} leaky, 1 target", Case("sparse", "leaky", n, 3, 1))
    compare(worker, rows, "banded 100000, 1 target", Case("banded", "leaky", 100_000, 3, 1))
    compare(worker, rows, "low rank 100000, 1 target", Case("low", "leaky", 100_000, 3, 1))
    if arguments.large:
        newton(worker, rows)
        arguments.rounds = 1
        compare(worker, rows, "dense 10000, 1 target", Case("dense", "tanh", 10_000, 2, 1))
        compare(worker, rows, "dense 10000 in f32, 1 target", Case("dense", "tanh", 10_000, 2, 1), "-single")
    out = ROOT / "target" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "invert.json").write_text(json.dumps(rows, indent=1) + "\n")


def newton(worker, rows):
    """The whole network at once, as newton_krylov solves it."""
    case = Case("sparse", "leaky", 100_000, 3, 1)
    ready, invert, _, _ = worker.run("sparse-leaky", case.file.name)
    start = now()
    found = scipy.optimize.newton_krylov(
        lambda x: (case.forward(x[:, None]) - case.y)[:, 0], np.zeros(case.n),
        f_tol=1e-9 * np.linalg.norm(case.y), tol_norm=np.linalg.norm,
    )
    seconds = now() - start
    print(f"newton_krylov's relative residual: {case.residual(found[:, None]):.1e}")
    report(rows, "sparse 100000 leaky against newton_krylov", arguments.threads, [(ready + invert, seconds)])


if __name__ == "__main__":
    main()
