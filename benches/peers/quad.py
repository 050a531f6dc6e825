"""quad against gauss-quad, bilby, SciPy, ducc0 and pyshtools; see README.md."""

import compare
from compare import Lazy, Line, Peer, Worker, close, probe, timed

import numpy as np

ducc0, pyshtools, cubature, scipy_fft = map(Lazy, ("ducc0", "pyshtools", "cubature", "scipy.fft"))
WORKER, RUST = Worker("quad-worker"), Worker("quad-peers")


def clenshaw_curtis(size):
    """Weights by one cosine transform."""
    n = size - 1
    moments = np.zeros(n + 1)
    k = np.arange(0, n + 1, 2)
    moments[::2] = 2.0 / (1.0 - k * k)
    weights = scipy_fft.dct(moments, type=1) / n
    weights[0] /= 2
    weights[-1] /= 2
    return weights


def with_scipy(size):
    def once():
        seconds, weights = timed(lambda: clenshaw_curtis(size), fill=0.005)
        return seconds, probe(weights)
    return once


def field(theta, phi):
    s = np.sin(theta)[:, None]
    return np.exp(3 * s * np.cos(phi) - 2 * s * np.sin(phi) + np.cos(theta)[:, None])


def with_ducc(degree):
    rings, columns = degree + 1, 2 * degree + 2
    theta = ducc0.misc.GL_thetas(rings)
    values = field(theta, 2 * np.pi * np.arange(columns) / columns)[None]

    def once():
        seconds, alm = timed(
            lambda: ducc0.sht.analysis_2d(map=values, spin=0, lmax=degree, geometry="GL", nthreads=1), fill=0.005)
        spectrum, index = np.zeros(degree + 1), 0
        for m in range(degree + 1):
            count = degree + 1 - m
            spectrum[m:] += (1 if m == 0 else 2) * np.abs(alm[0, index:index + count]) ** 2
            index += count
        return seconds, probe(spectrum)
    return once


def with_shtools(degree):
    zeros, weights = pyshtools.expand.SHGLQ(degree)
    columns = 2 * degree + 1
    values = field(np.arccos(zeros), 2 * np.pi * np.arange(columns) / columns)

    def once():
        seconds, c = timed(lambda: pyshtools.expand.SHExpandGLQ(values, weights, zeros, norm=4), fill=0.005)
        return seconds, probe(np.sum(c**2, axis=(0, 2)))
    return once


def with_hcubature(digits):
    axis = np.array([1.0, -2.0, 0.5]) / np.sqrt(5.25)

    def once():
        evaluations, values = 0, []
        for k in (1.0, 3.0, 10.0):

            def f(x):
                nonlocal evaluations
                evaluations += len(x)
                s = np.sin(x[:, 0])
                along = s * (axis[0] * np.cos(x[:, 1]) + axis[1] * np.sin(x[:, 1])) + axis[2] * np.cos(x[:, 0])
                return np.exp(k * along) * s

            found = cubature.cubature(f, 2, 1, [0, 0], [np.pi, 2 * np.pi], abserr=0, relerr=10.0**-digits, vectorized=True)
            values.append(float(found[0][0]))
        return float(evaluations), [sum(values), max(values)]
    return once


def worker(operation, size):
    return lambda: lambda: WORKER.time(operation, size)


def rust(operation, size):
    return lambda: lambda: RUST.time(operation, size)


def lines(threads):
    if threads > 1:
        return
    for n in (10, 100, 1000, 1_000_000):
        # Weights sum to 2, the largest node is near 1: the tolerance is that of a double.
        yield Line(f"quad/gauss-legendre/{n}", worker("gauss-legendre", n),
                   [Peer(name, rust(f"gauss-legendre-{name}", n)) for name in ("gauss-quad", "bilby")],
                   close(1e-12), best=1.0)
    for size in (65, 1025, 4097):
        yield Line(f"quad/clenshaw-curtis/{size}", worker("clenshaw-curtis", size),
                   [Peer("SciPy's cosine transform", lambda size=size: with_scipy(size), 2.0 if size == 4097 else None),
                    Peer("bilby", rust("clenshaw-curtis-bilby", size), 1 / 500 if size == 4097 else None)], close(1e-11))
    for degree in (63, 127, 255, 511):
        yield Line(f"quad/analysis/{degree}", worker("analysis", degree),
                   [Peer("pyshtools", lambda degree=degree: with_shtools(degree), 1.0),
                    Peer("ducc0", lambda degree=degree: with_ducc(degree), 1.5)], close(1e-11))
    for digits in (3, 6, 10):
        yield Line(f"quad/automatic-evaluations/{digits}-digits", worker("automatic", digits),
                   [Peer("hcubature", lambda digits=digits: with_hcubature(digits)),
                    Peer("bilby's adaptive cubature", rust("automatic-bilby", digits))], close(10.0 ** (1 - digits)), rounds=1,
                   unit="evaluations")


if __name__ == "__main__":
    compare.run(lines)
