"""nn-invert's search from many starts against SciPy's least_squares (trf, exact Jacobian), and the input nearest to a seed
against SLSQP; see README.md."""

import sys
import time

import compare
from compare import Line, Peer, Worker, arguments, uniform

import numpy as np
from scipy.optimize import least_squares, minimize

WORKER = Worker("invert-search-worker")
STARTS = 20
WIDTHS = [(10, 20, 20, 10), (10, 30, 10), (40, 10, 30, 10), (30, 20, 10), (10, 20, 30), (64, 64, 64, 64)]
NETWORKS = 100


def unit(seed, count):
    return np.sqrt(12.0) * uniform(seed, count)


class Problem:
    """A random tanh network, and a target that it can give."""

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

    def invert(self):
        """Starts until one arrived, and the least residual."""
        best = np.inf
        for k in range(STARTS):
            done = least_squares(self.residual, self.start(k), self.jacobian, method="trf",
                                 xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=200)
            best = min(best, np.linalg.norm(done.fun) / np.linalg.norm(self.target))
            if best <= 1e-10:
                break
        return k + 1, best


    def nearest(self):
        """Seconds and distance of the input nearest to the seed, from there on; infinite where it gives up."""
        seed = unit(self.seed + 40, self.inputs)
        start = time.perf_counter()
        done = minimize(lambda x: 0.5 * np.sum((x - seed) ** 2), seed, jac=lambda x: x - seed, method="SLSQP",
                        constraints={"type": "eq", "fun": self.residual, "jac": self.jacobian},
                        options={"ftol": 1e-15, "maxiter": 1000})
        seconds = time.perf_counter() - start
        solved = np.linalg.norm(self.residual(done.x)) <= 1e-8 * np.linalg.norm(self.target)
        return seconds, float(np.linalg.norm(done.x - seed)) if solved else np.inf


def summed(invert, networks):
    """Seconds of a start, over all networks; how many were inverted."""
    seconds = starts = inverted = 0
    for index in range(networks):
        spent, used, residual = invert(index)
        seconds, starts, inverted = seconds + spent, starts + used, inverted + (residual <= 1e-10)
    return seconds / starts, [inverted]


def line(widths):
    gain = 1.0 if widths[0] == 64 else 1.5
    # Two rounds over a hundred networks are enough; a short run asks a fifth of them.
    networks = NETWORKS if arguments.rounds >= 5 else NETWORKS // 5

    def ours():
        def invert(index):
            seconds, used, residual = WORKER.ask(",".join(map(str, widths)), gain, index, STARTS, 1)
            return float(seconds), int(used), float(residual)
        return lambda: summed(invert, networks)

    def theirs():
        problems = [Problem(widths, gain, index) for index in range(networks)]

        def invert(index):
            start = time.perf_counter()
            used, residual = problems[index].invert()
            return time.perf_counter() - start, used, residual
        return lambda: summed(invert, networks)

    name = "-".join(map(str, widths))
    # Ours inverts at least as many, less one that either may miss.
    return Line(f"nn-invert/search/{name}", ours, [Peer("SciPy's trf, a start", theirs, 0.5)],
                lambda ours, theirs: ours[0] >= theirs[0] - 1, rounds=3)


def nearest():
    """Distances over those of SLSQP, the median of the networks that both answer, and the seconds of all."""
    networks, widths = 60, (30, 20, 10)
    answers = {}

    def ours():
        def once():
            answers["ours"] = [list(map(float, WORKER.ask("nearest", ",".join(map(str, widths)), 1.0, index)))
                               for index in range(networks)]
            return sum(answer[0] for answer in answers["ours"]), []
        return once

    def theirs():
        problems = [Problem(widths, 1.0, index) for index in range(networks)]

        def once():
            answers["theirs"] = [problem.nearest() for problem in problems]
            return sum(answer[0] for answer in answers["theirs"]), []
        return once

    def ratio():
        if "theirs" not in answers:
            ours()()
            theirs()()
        ratios = [a[1] / b[1] for a, b in zip(answers["ours"], answers["theirs"], strict=True)]
        ratios = sorted(r for r in ratios if r > 0)
        worst = max(a[2] for a in answers["ours"] if a[1] > 0)
        print(f"{len(ratios)} of {networks} answered by both, ratios {ratios[0]:.4f} to {ratios[-1]:.4f}, "
              f"optimality {worst:.0e}", file=sys.stderr)
        return float(np.median(ratios)), []

    yield Line("nn-invert/nearest/30-20-10/time", ours, [Peer("SciPy's SLSQP", theirs, compared=False)], rounds=3)
    yield Line("nn-invert/nearest/30-20-10/distance", lambda: ratio,
               [compare.fixed(1.0, "SciPy's SLSQP, the median ratio", 1.001)], rounds=1, unit="ratio")


def lines(threads):
    if threads == 1:
        yield from map(line, WIDTHS)
        yield from nearest()


if __name__ == "__main__":
    compare.run(lines)
