"""nn-invert's layer-wise inverse against NumPy and SciPy; see README.md."""

import tempfile
import time

import compare
from compare import Line, Peer, Worker, arguments

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse
import scipy.sparse.linalg

WORKER = Worker("invert-worker")


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
        if self.kind == "stencil":
            side = round(np.sqrt(n))
            line = scipy.sparse.diags([-1.0, 2.0, -1.0], [-1, 0, 1], shape=(side, side))
            w = (0.5 * scipy.sparse.kronsum(line, line) + scipy.sparse.identity(n)).tocsr()
            self.layers.append(w)
            coo = w.tocoo()
            return [np.stack([coo.row, coo.col, coo.data], axis=1)]
        if self.kind == "circulant":
            first = np.zeros(n)
            first[[0, 1, 2, n - 2, n - 1]] = [2, *(0.4 * rng.standard_normal(4))]
            row, tap = np.repeat(np.arange(n), 5), np.tile(np.flatnonzero(first), n)
            entries = row, (row - tap) % n, first[tap]
            w = scipy.sparse.csr_matrix((entries[2], entries[:2]), shape=(n, n))
            self.layers.append((first, w))
            return [first]
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
        if self.kind in ("banded", "circulant"):
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
        if self.kind == "circulant":
            return scipy.linalg.solve_circulant(ready[0], r)
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


KEPT = {}


def case(*key):
    """Made once: making the large ones takes longer than inverting them. The last two are kept."""
    if key not in KEPT:
        for old in list(KEPT)[:-1]:
            del KEPT[old]
        KEPT[key] = Case(*key)
    return KEPT[key]


def ours(key, extra="", targets_only=False, worker=WORKER, pool=arguments.threads > 1):
    """Seconds of a target; its answer is the size of the last input, and 0 for a residual that is small."""

    def make():
        problem = case(*key)
        # Stencils are sparse matrices to us.
        kind = "sparse" if problem.kind == "stencil" else problem.kind
        words = f"{kind}-{problem.activation}{extra}" + ("-pool" if pool else "")

        def once():
            _, ready, _, invert, residual, size = map(float, worker.ask(words, problem.file.name))
            seconds = invert if targets_only else ready + invert
            return seconds / problem.y.shape[1], [size, float(residual > 1e-8)]
        return once
    return make


def theirs(key, targets_only=False, evidence=True):
    """The same by SciPy, with the residual that ours always computes, or without."""

    def make():
        problem = case(*key)

        def once():
            start = time.perf_counter()
            ready = problem.ready()
            middle = time.perf_counter()
            x = problem.back(ready)
            if evidence:
                problem.residual(x)
            end = time.perf_counter()
            small = problem.residual(x) <= 1e-7
            return (end - (middle if targets_only else start)) / problem.y.shape[1], \
                [float(np.linalg.norm(x[:, -1])), float(not small)]
        return once
    return make


def with_newton(key):
    """The whole network at once."""

    def make():
        problem = case(*key)

        def once():
            start = time.perf_counter()
            found = scipy.optimize.newton_krylov(
                lambda x: (problem.forward(x[:, None]) - problem.y)[:, 0], np.zeros(problem.n),
                f_tol=1e-9 * np.linalg.norm(problem.y), tol_norm=np.linalg.norm)
            return time.perf_counter() - start, [float(np.linalg.norm(found)), 0.0]
        return once
    return make


def agree(ours, theirs):
    return abs(ours[0] / theirs[0] - 1) <= 1e-6 and ours[1] == theirs[1] == 0.0


def against(name, key, goals=(None, None), extra="", slow=False, rounds=None):
    """All of it, and each target once the layers are ready, beside SciPy with residuals and without."""
    for what, targets_only, goal in (("all", False, goals[0]), ("target", True, goals[1])):
        yield Line(f"nn-invert/{name}/{what}", ours(key, extra, targets_only),
                   [Peer("SciPy with residuals", theirs(key, targets_only), goal),
                    Peer("SciPy without", theirs(key, targets_only, evidence=False))], agree, slow=slow, rounds=rounds)


def lines(threads):
    if threads > 2:
        return
    one, many = ("dense", "tanh", 1000, 2, 1), ("dense", "tanh", 1000, 2, 256)
    yield from against("dense-1000", one)
    yield from against("dense-1000-f32", one, extra="-single")
    yield from against("dense-1000-256-targets", many, (None, 0.9))
    yield Line("nn-invert/dense-1000-256-targets/each", ours(many, targets_only=True),
               [Peer("itself, one target", ours(one, targets_only=True), 0.12, compared=False)])
    for activation in ("leaky", "tanh"):
        single, eight = ("sparse", activation, 100_000, 3, 1), ("sparse", activation, 100_000, 3, 8)
        yield from list(against(f"sparse-100000-{activation}", single, (0.75, None)))[:1]
        yield from list(against(f"sparse-100000-{activation}-8-targets", eight))[:1]
        yield Line(f"nn-invert/sparse-100000-{activation}-8-targets/each", ours(eight),
                   [Peer("SciPy's bicgstab, one target", theirs(single), 0.35, compared=False),
                    Peer("itself, one target", ours(single), compared=False)])
        if threads > 1:
            yield Line(f"nn-invert/sparse-100000-{activation}/two-threads", ours(single),
                       [Peer("SciPy's bicgstab", theirs(single), 0.45),
                        Peer("itself, one thread", ours(single, worker=Worker("invert-worker", 1), pool=False),
                             compared=False)], agree)
    for kind in ("banded", "low"):
        yield from against(f"{kind}-100000", (kind, "leaky", 100_000, 3, 1), (1.0, 1.0))
    yield from list(against("stencil-316x316", ("stencil", "leaky", 316 * 316, 3, 1), (1.0, None)))[:1]
    yield from list(against("circulant-100000", ("circulant", "leaky", 100_000, 3, 1), (1.0, None)))[:1]
    yield from list(against("sparse-10000-leaky", ("sparse", "leaky", 10_000, 3, 1)))[:1]
    large = ("sparse", "leaky", 1_000_000, 3, 1)
    yield from list(against("sparse-1000000-leaky", large, slow=True, rounds=3))[:1]
    if threads == 1:
        sparse = ("sparse", "leaky", 100_000, 3, 1)
        yield Line("nn-invert/sparse-100000-leaky/whole", ours(sparse), [Peer("newton_krylov", with_newton(sparse), 1 / 40)],
                   agree, slow=True, rounds=1)
    huge = ("dense", "tanh", 10_000, 2, 1)
    for extra in ("", "-single"):
        name = "dense-10000" + ("-f32" if extra else "")
        yield from list(against(name, huge, (1.2, None), extra, slow=True, rounds=1))[:1]


if __name__ == "__main__":
    compare.run(lines)
