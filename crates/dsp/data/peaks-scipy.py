"""Writes peaks-scipy.txt: peaks of small random signals under every option, as SciPy finds them.

python peaks-scipy.py            (made with SciPy 1.17.1, NumPy 2.4.6)

A line is `signal|options|peaks`. Heights are integers, so that the file is small; all of a signal's
differ wherever `distance` is asked for, because SciPy leaves the order of equal peaks to an unstable
sort. benches/peers/dsp_peaks.py compares a hundred thousand more, of any numbers.
"""

import warnings

import numpy as np
from scipy.signal import find_peaks

warnings.simplefilter("ignore")
rng = np.random.default_rng(4)


def interval(low, high):
    a, b = sorted(rng.integers(low, high, 2))
    return (int(a) if rng.random() < 0.8 else None, int(b) + 2 if rng.random() < 0.3 else None)


def bounds(pair):
    return ":".join("none" if b is None else str(b) for b in pair)


with open("peaks-scipy.txt", "w") as file:
    for case in range(600):
        n = int(rng.integers(3, 45))
        ties = case % 3 == 2
        x = rng.integers(-4, 5, n) if ties else rng.permutation(n) - n // 2
        if case % 3 == 1:
            x = np.cumsum(np.where(rng.random(n) < 0.5, 1, -1) * (1 + rng.permutation(n)))
            ties = len(set(x.tolist())) < n
        options = {}
        for name, low, high in [("plateau_size", 0, 3), ("height", -3, 4), ("threshold", 0, 5), ("prominence", 0, 6),
                                ("width", 0, 5)]:
            if rng.random() < 0.35:
                options[name] = interval(low, high)
        if rng.random() < 0.4 and not ties:
            options["distance"] = float(rng.integers(10, 90)) / 10
        if rng.random() < 0.4:
            options["wlen"] = int(rng.integers(2, 2 * n))
        if rng.random() < 0.6:
            options["rel_height"] = float(rng.choice([0, 0.25, 0.5, 0.75, 1.0, 1.5]))
        asked = {"plateau_size": (None, None), "threshold": (None, None)} | options
        index, p = find_peaks(x.astype(float), **asked)
        columns = [index, p["left_edges"], p["right_edges"], p["left_thresholds"], p["right_thresholds"]]
        if "prominences" in p:
            columns += [p["prominences"], p["left_bases"], p["right_bases"]]
        if "widths" in p:
            columns += [p["widths"], p["width_heights"], p["left_ips"], p["right_ips"]]
        rows = ",".join(" ".join(repr(float(v)).removesuffix(".0") for v in row) for row in zip(*columns))
        text = " ".join(f"{name}={bounds(o) if isinstance(o, tuple) else o}" for name, o in options.items())
        file.write(f"{' '.join(map(str, x))}|{text}|{rows}\n")
