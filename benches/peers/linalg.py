"""linalg and plain nalgebra against numpy and SciPy; see README.md."""

import compare
from compare import Line, Peer, Worker, close, peak, probe, timed, uniform

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg


def matrix(seed, rows, columns):
    return np.asfortranarray(uniform(seed, rows * columns).reshape(columns, rows).T)


def single(seed, n):
    return matrix(seed, n, n).astype(np.float32)


def hermitian(n):
    a = matrix(1, n, n) + 1j * matrix(2, n, n)
    return np.asfortranarray(a + a.conj().T)


def symmetric(n):
    a = matrix(1, n, n)
    return np.asfortranarray(a + a.T)


def definite(n):
    a = matrix(1, n, n)
    return np.asfortranarray(a @ a.T + np.eye(n))


def sparse_problem(n):
    """Three layers 2 I + S, S with ten normal entries a row of variance 1/10, and the output that a known input gives
    through leaky ReLU of slope 0.1."""
    layers = []
    for layer in range(3):
        columns = (uniform(10 + layer, 10 * n) + 0.5) * n
        u1, u2 = uniform(20 + layer, 10 * n) + 0.5, uniform(30 + layer, 10 * n) + 0.5
        values = np.sqrt(-2 * np.log1p(-u1)) * np.cos(2 * np.pi * u2) / np.sqrt(10)
        rows = np.repeat(np.arange(n), 10)
        s = scipy.sparse.coo_matrix((values, (rows, columns.astype(np.int64))), shape=(n, n))
        layers.append((s + 2 * scipy.sparse.identity(n)).tocsr())
    y = uniform(3, n) * 2
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


def pair(n):
    return matrix(1, n, n), matrix(2, n, n)


# Name: sizes and goals, the input, numpy's or SciPy's way, what of its result is compared, relative tolerance,
# sizes up to which nalgebra is timed too.
OPERATIONS = {
    "gemm": ({256: None, 1024: None, 2048: None}, pair, lambda p: p[0] @ p[1], None, 1e-12, 2048),
    "gemm-f32": ({1024: None, 2048: None}, lambda n: (single(1, n), single(2, n)), lambda p: p[0] @ p[1], None, 1e-4, 2048),
    "lu-solve": ({64: 1.2, 1000: 1.2, 4000: 1.2}, lambda n: (matrix(1, n, n), uniform(2, n)),
                 lambda p: np.linalg.solve(p[0], p[1]), None, 1e-7, 1000),
    "cholesky": ({2000: None}, definite, np.linalg.cholesky, None, 1e-10, 2000),
    "qr": ({1000: None}, lambda n: matrix(1, n, n), lambda a: scipy.linalg.qr(a, mode="r", check_finite=False)[0], None, 1e-9,
           1000),
    "svd": ({32: 1.2, 128: 1.2, 500: 1.2, 1000: 1.2}, lambda n: matrix(1, n, n), np.linalg.svd, 1, 1e-11, 500),
    "svd-values": ({500: None}, lambda n: matrix(1, n, n), lambda a: np.linalg.svd(a, compute_uv=False), None, 1e-11, 500),
    "pinv": ({500: None}, lambda n: matrix(1, 2 * n, n), scipy.linalg.pinv, None, 1e-10, 0),
    "eigh": ({16: None, 32: None, 64: None, 256: None, 1000: None}, symmetric, np.linalg.eigh, 0, 1e-11, 1000),
    "eigh-complex": ({32: 1.1, 64: 1.0, 128: 0.85, 256: None}, hermitian, np.linalg.eigh, 0, 1e-11, 256),
    "eigenvalues": ({64: None, 256: None}, lambda n: matrix(1, n, n), np.linalg.eigvals, None, 1e-9, 0),
    "roots": ({16: 0.25, 64: 0.25, 128: 0.25}, lambda n: uniform(1, n + 1) + 0j, lambda c: np.roots(c[::-1]), None, 1e-7, 0),
    "sparse-vs-bicgstab": ({100_000: 0.75}, sparse_problem, lambda p: invert_sparse(p, bicgstab), None, 1e-6, 0),
    "sparse-vs-lsmr": ({100_000: 0.25}, sparse_problem, lambda p: invert_sparse(p, lsmr), None, 1e-6, 0),
}

WORKER = Worker("linalg-worker")


def line(name, size, goal):
    _, make, run, part, tolerance, plain = OPERATIONS[name]

    def side(who):
        return lambda: lambda: WORKER.time(who, name, size, WORKER.threads)

    def numpy():
        problem = make(size)

        def once():
            seconds, result = timed(lambda: run(problem))
            return seconds, probe(result if part is None else result[part])
        return once

    peers = [Peer(f"numpy {np.__version__}, SciPy {scipy.__version__}", numpy, goal)]
    if name.startswith("gemm"):
        peers.append(peak(2 * size**3, precision="peak-f32" if name == "gemm-f32" else "peak"))
    if size <= plain and WORKER.threads == 1:
        peers.append(Peer("nalgebra", side("nalgebra")))
    return Line(f"linalg/{name}/{size}", side("linalg"), peers, close(tolerance), slow=size >= 2000 or "lsmr" in name)


def lines(threads):
    threaded = ["gemm", "gemm-f32", "lu-solve", "cholesky", "qr"]
    for name in OPERATIONS if threads == 1 else threaded:
        for size, goal in OPERATIONS[name][0].items():
            yield line(name, size, goal if threads == 1 else None)


if __name__ == "__main__":
    compare.run(lines)
