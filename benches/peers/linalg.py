"""Times linalg and plain nalgebra against numpy and SciPy in one run; see README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--only", default="", help="rows whose name contains this")
arguments = parser.parse_args()
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = str(arguments.threads)

import numpy as np  # noqa: E402  (after the number of threads is set)
import scipy.linalg  # noqa: E402
import scipy.sparse  # noqa: E402
import scipy.sparse.linalg  # noqa: E402


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


def matrix(seed, rows, columns):
    return np.asfortranarray(uniform(seed, rows * columns).reshape(columns, rows).T)


def hermitian(n):
    a = matrix(1, n, n) + 1j * matrix(2, n, n)
    return np.asfortranarray(a + a.conj().T)


def symmetric(n):
    a = matrix(1, n, n)
    return np.asfortranarray(a + a.T)


def definite(n):
    a = matrix(1, n, n)
    return np.asfortranarray(a @ a.T + np.eye(n))


def probe(a):
    """A few numbers that a wrong answer would not have."""
    a = np.asarray(a)
    return [float(np.abs(a).sum()), float(np.abs(a).max())]


def sparse_layers(n, radius):
    """Three matrices 2 I + S, S with ten normal entries a row of variance radius^2 / 10."""
    layers = []
    for layer in range(3):
        columns = (uniform(10 + layer, 10 * n) + 0.5) * n
        u1, u2 = uniform(20 + layer, 10 * n) + 0.5, uniform(30 + layer, 10 * n) + 0.5
        values = np.sqrt(-2 * np.log1p(-u1)) * np.cos(2 * np.pi * u2) * radius / np.sqrt(10)
        rows = np.repeat(np.arange(n), 10)
        s = scipy.sparse.coo_matrix((values, (rows, columns.astype(np.int64))), shape=(n, n))
        layers.append((s + 2 * scipy.sparse.identity(n)).tocsr())
    return layers


def sparse_problem(n, radius):
    """The layers, and the output that a known input gives through leaky ReLU of slope 0.1."""
    layers = sparse_layers(n, radius)
    x = uniform(3, n) * 2
    y = x
    for layer in layers[:-1]:
        z = layer @ y
        y = np.where(z > 0, z, 0.1 * z)
    return layers, layers[-1] @ y


def invert_sparse(problem, solver):
    layers, y = problem
    for index, layer in enumerate(reversed(layers)):
        y = solver(layer, y)
        if index < len(layers) - 1:
            y = np.where(y > 0, y, y / 0.1)
    return y


def bicgstab(a, b):
    return scipy.sparse.linalg.bicgstab(a, b, rtol=1e-9, atol=0)[0]


def lsmr(a, b):
    return scipy.sparse.linalg.lsmr(a, b, atol=1e-9, btol=1e-9)[0]


def polynomial(n):
    return uniform(1, n + 1) + 1j * 0


# name: (sizes, make the input, compute, what to compare, relative tolerance)
OPERATIONS = {
    "gemm": ([256, 1024, 2048], lambda n: (matrix(1, n, n), matrix(2, n, n)),
             lambda p: p[0] @ p[1], probe, 1e-12),
    "gemm-f32": ([1024, 2048],
                 lambda n: (matrix(1, n, n).astype(np.float32), matrix(2, n, n).astype(np.float32)),
                 lambda p: p[0] @ p[1], probe, 1e-4),
    "lu-solve": ([64, 1000, 4000], lambda n: (matrix(1, n, n), uniform(2, n)),
                 lambda p: np.linalg.solve(p[0], p[1]), probe, 1e-7),
    "cholesky": ([2000], definite, lambda a: np.linalg.cholesky(a), probe, 1e-10),
    "qr": ([1000], lambda n: matrix(1, n, n),
           lambda a: scipy.linalg.qr(a, mode="r", check_finite=False)[0], probe, 1e-9),
    "svd": ([32, 128, 500, 1000], lambda n: matrix(1, n, n),
            lambda a: np.linalg.svd(a), lambda r: probe(r[1]), 1e-11),
    "svd-values": ([500], lambda n: matrix(1, n, n),
                   lambda a: np.linalg.svd(a, compute_uv=False), probe, 1e-11),
    "pinv": ([500], lambda n: matrix(1, 2 * n, n), lambda a: scipy.linalg.pinv(a), probe, 1e-10),
    "eigh": ([16, 32, 64, 256, 1000], symmetric, lambda a: np.linalg.eigh(a),
             lambda r: probe(r[0]), 1e-11),
    "eigh-complex": ([32, 64, 128, 256], hermitian, lambda a: np.linalg.eigh(a),
                     lambda r: probe(r[0]), 1e-11),
    "eigenvalues": ([64, 256], lambda n: matrix(1, n, n), lambda a: np.linalg.eigvals(a), probe, 1e-9),
    "roots": ([16, 64, 128], polynomial, lambda c: np.roots(c[::-1]), probe, 1e-7),
    "sparse-vs-bicgstab": ([100_000], lambda n: sparse_problem(n, 1.0),
                           lambda p: invert_sparse(p, bicgstab), probe, 1e-6),
    "sparse-vs-lsmr": ([100_000], lambda n: sparse_problem(n, 1.0),
                       lambda p: invert_sparse(p, lsmr), probe, 1e-6),
}


class Worker:
    """Our side, in a process of its own: a line `who name size` in, `seconds probe probe` out."""

    def __init__(self):
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.process = subprocess.Popen(
            [target / "release" / "linalg-worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def time(self, who, name, size):
        self.process.stdin.write(f"{who} {name} {size} {arguments.threads}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            sys.exit(f"the worker ended at {who} {name} {size}")
        if answer[0] == "none":
            return None
        return float(answer[0]), [float(x) for x in answer[1:]]


def peer_time(run, problem):
    start = time.perf_counter()
    result = run(problem)
    seconds = time.perf_counter() - start
    if arguments.threads > 1:
        # OpenBLAS' threads spin for a while after a call, on the cores that the other side needs.
        time.sleep(0.3)
    return seconds, result


def agree(ours, theirs, tolerance):
    return all(abs(a - b) <= tolerance * max(abs(b), 1e-300) for a, b in zip(ours, theirs, strict=True))


def main():
    worker = Worker()
    rows = []
    print(f"{'operation':<26}{'ours':>11}{'numpy/scipy':>13}{'ratio':>8}{'min':>7}{'max':>7}"
          f"{'nalgebra':>11}{'ratio':>8}")
    for name, (sizes, make, run, numbers, tolerance) in OPERATIONS.items():
        for size in sizes:
            if arguments.only not in f"{name}/{size}":
                continue
            problem = make(size)
            _, result = peer_time(run, problem)
            _, ours = worker.time("linalg", name, size)
            if not agree(ours, numbers(result), tolerance):
                sys.exit(f"{name}/{size}: ours {ours} and the peer's {numbers(result)} differ")
            pairs = []
            for _ in range(arguments.rounds):
                mine, _ = worker.time("linalg", name, size)
                pairs.append((mine, peer_time(run, problem)[0]))
            ratios = [a / b for a, b in pairs]
            row = {
                "id": f"{name}/{size}", "peer": f"numpy {np.__version__}",
                "ours_s": statistics.median(a for a, _ in pairs),
                "peer_s": statistics.median(b for _, b in pairs),
                "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
                "threads": arguments.threads, "same_result": True,
            }
            line = (f"{row['id']:<26}{row['ours_s'] * 1e3:>9.3f}ms{row['peer_s'] * 1e3:>11.3f}ms"
                    f"{row['ratio']:>8.2f}{row['ratio_min']:>7.2f}{row['ratio_max']:>7.2f}")
            rows.append(row)
            plain = [worker.time("nalgebra", name, size) for _ in range(min(3, arguments.rounds))]
            if plain[0] is not None:
                best = min(seconds for seconds, _ in plain)
                same = agree(plain[0][1], numbers(result), tolerance)
                ours_best = min(a for a, _ in pairs)
                rows.append(row | {"peer": "nalgebra", "peer_s": best, "ratio": ours_best / best,
                                   "ratio_min": None, "ratio_max": None, "same_result": same})
                line += f"{best * 1e3:>9.3f}ms{ours_best / best:>8.2f}" + ("" if same else "  WRONG")
            print(line, flush=True)
    out = ROOT / "target" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "linalg.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
