"""Compares find_peaks of dsp with SciPy's bit for bit on random cases, and its stream with the whole; see README.md.

Arguments: how many cases (100,000), and a seed (1).
"""

import sys
import warnings

CASES, SEED = [int(word) for word in sys.argv[1:] + ["100000", "1"][len(sys.argv) - 1:]]
del sys.argv[1:]

import numpy as np  # noqa: E402  (after the arguments, which compare would take for its own)
import scipy  # noqa: E402
from compare import Worker  # noqa: E402
from scipy.signal import find_peaks  # noqa: E402


def written(bound):
    if bound is None:
        return "none"
    if isinstance(bound, np.ndarray):
        return "[" + " ".join(repr(float(v)) for v in bound) + "]"
    return repr(float(bound))


def random_case(rng, k):
    """A signal without equal samples, or with many, and any of the options."""
    n = int(rng.integers(3, 120))
    ties = k % 4 == 3
    kind = rng.integers(0, 3)
    x = rng.integers(-4, 5, n).astype(float) if ties else rng.normal(size=n)
    if kind == 1:
        x = np.cumsum(x)
    elif kind == 2:
        x = x + (4 * np.sin(np.arange(n) / 5)).round(0 if ties else 12)
    options = {}

    def interval(name, low, high):
        a, b = sorted(rng.uniform(low, high, 2))
        if rng.random() < 0.2:
            a = a + rng.normal(size=n)
        options[name] = (a if rng.random() < 0.8 else None, b if rng.random() < 0.3 else None)

    if rng.random() < 0.3:
        interval("height", -3, 3)
    if rng.random() < 0.3:
        interval("threshold", 0, 2)
    if rng.random() < 0.4:
        interval("prominence", 0, 4)
    if rng.random() < 0.4:
        interval("width", 0, 6)
    if rng.random() < 0.3:
        interval("plateau_size", 0, 3)
    if rng.random() < 0.4 and not ties:
        options["distance"] = float(rng.uniform(1, 12))
    if rng.random() < 0.4:
        options["wlen"] = int(rng.integers(2, 2 * n))
    if rng.random() < 0.5:
        options["rel_height"] = float(rng.choice([0, 0.25, 0.5, 0.7, 1.0, 1.3]))
    if not ties and rng.random() < 0.1:
        x[rng.integers(0, n, 2)] = np.nan
    return x, options


def expected(x, options):
    """Every property of SciPy's peaks, by the names of ours."""
    asked = dict(options)
    asked.setdefault("height", (None, None))
    asked.setdefault("threshold", (None, None))
    asked.setdefault("plateau_size", (None, None))
    index, p = find_peaks(x, **asked)
    columns = [index, p["left_edges"], p["right_edges"], p["peak_heights"], p["left_thresholds"], p["right_thresholds"]]
    if "prominences" in p:
        columns += [p["prominences"], p["left_bases"], p["right_bases"]]
    if "widths" in p:
        columns += [p["widths"], p["width_heights"], p["left_ips"], p["right_ips"]]
    return np.array(columns, dtype=float).T


def main():
    worker = Worker("dsp-peaks-worker")
    rng = np.random.default_rng(SEED)
    peaks = tied = 0
    warnings.simplefilter("ignore")
    for k in range(CASES):
        x, options = random_case(rng, k)
        fields = ["x=" + " ".join(repr(float(v)) for v in x)]
        for name, value in options.items():
            text = ":".join(map(written, value)) if isinstance(value, tuple) else repr(value)
            fields.append(f"{name}={text}")
        request = "case " + ";".join(fields)
        answer = " ".join(worker.ask(request))
        rows = [[float(v) for v in row.split()] for row in answer.split(",")] if answer else []
        theirs = expected(x, options)
        if "prominence" not in options and "width" not in options:
            theirs = theirs[:, :6]
        ours = np.array(rows).reshape(theirs.shape if not rows else (len(rows), -1))
        if ours.shape != theirs.shape or not np.array_equal(ours, theirs, equal_nan=True):
            sys.exit(f"case {k} differs\n{request}\nours\n{ours}\ntheirs\n{theirs}")
        peaks += len(theirs)
        tied += k % 4 == 3
    print(f"{CASES} random cases, {tied} of them with ties, {peaks} peaks: identical to SciPy {scipy.__version__}")
    differing = int(worker.ask("stream", CASES, SEED)[0])
    print(f"{CASES} random signals in random chunks: {differing} differ from the whole")
    if differing:
        sys.exit(1)


if __name__ == "__main__":
    main()
