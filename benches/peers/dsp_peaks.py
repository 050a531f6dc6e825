"""dsp's peaks and wavelets against SciPy and PyWavelets; see README.md.

Times are processor seconds, so that other work on the machine counts as little as it can.
"""

import functools
import math
import os
import tempfile
import time

import compare
from compare import Lazy, Line, Peer, Worker, timed

import numpy as np
from scipy.signal import find_peaks

pywt = Lazy("pywt")
WORKER = Worker("dsp-peaks-worker")
# Linux counts a process' time in ticks of 4 ms in places.
FILL = 0.1
FOLDER = tempfile.TemporaryDirectory()


@functools.lru_cache(maxsize=2)
def signals(n):
    rng = np.random.default_rng(1)
    white = rng.normal(size=n)
    sine = np.sin(np.arange(n) * 0.01) + 0.2 * white
    i = np.arange(n, dtype=float)
    return {
        "white": white,
        "sine": sine,
        "clipped": np.clip(np.round(100 * sine), -100, 100),
        "walk": np.cumsum(white),
        "periodic": np.tile(white[:20], n // 20 + 1)[:n],
        "saw": i + 3 * (i % 2),
        "alternating": i % 2,
    }


PEERS = {
    "indices": {},
    "find": {},
    "distance": {"distance": 50},
    "prominence": {"prominence": 0.5},
    "prominence-window": {"prominence": 0.5, "wlen": 201},
    "width": {"width": 2},
    "all": {name: (None, None) for name in ("plateau_size", "height", "threshold", "prominence", "width")},
}
# SciPy takes minutes there: its walks cross every equal peak.
TIED = {"clipped", "periodic", "saw", "alternating"}
WAVELETS = {"haar": 15, "db4": 6, "sym8": 6, "db20": 6, "coif5": 6}


def goal(operation, signal, n):
    """Of issue 4; 1e7 samples for plain maxima only."""
    if operation == "indices" and n >= 1_000_000:
        return 1 / 8
    if n == 1_000_000:
        return {("prominence", "white"): 1 / 1.5, ("prominence", "sine"): 1 / 1.5, ("prominence", "walk"): 1 / 20,
                ("prominence", "clipped"): 1 / 1000, ("distance", "white"): 1 / 2, ("distance", "sine"): 1 / 2,
                ("distance", "walk"): 1 / 2}.get((operation, signal))
    return None


def worker(signal, n, operation):

    def load():
        # The worker holds one signal, and both sides of a line may be asked for different ones.
        if WORKER.process is None or WORKER.holds != (signal, n):
            path = os.path.join(FOLDER.name, "x")
            signals(n)[signal].astype("<f8").tofile(path)
            WORKER.ask("load", path)
            WORKER.holds = (signal, n)

    def make():
        calls, elapsed = 1, 0.0
        while elapsed < FILL / 2:
            load()
            start = time.perf_counter()
            WORKER.ask("time", operation, calls)
            elapsed = time.perf_counter() - start
            calls = math.ceil(calls * min(max(FILL / elapsed, 1), 100))

        def once():
            load()
            return WORKER.time("time", operation, calls)
        return once
    return make


def scipy_side(signal, n, options):
    x = signals(n)[signal]

    def once():
        seconds, (index, _) = timed(lambda: find_peaks(x, **options), fill=FILL, clock=time.process_time)
        return seconds, [len(index), int(index.sum())]
    return once


def denoised(x, name, level):
    parts = pywt.wavedec(x, name, level=level)
    threshold = np.median(np.abs(parts[-1])) / 0.6744897501960817 * np.sqrt(2 * np.log(len(x)))
    return pywt.waverec([parts[0]] + [pywt.threshold(d, threshold, "soft") for d in parts[1:]], name)[:len(x)]


def wavelet_side(n, what, name, level):
    x = signals(n)["sine"]

    def run():
        if what == "denoise":
            return denoised(x, name, level)
        return pywt.waverec(pywt.wavedec(x, name, level=level), name)[:len(x)]

    def once():
        seconds, y = timed(run, fill=FILL, clock=time.process_time)
        return seconds, [len(y), float(np.abs(y).sum())]
    return once


def peaks(operation, signal, n):
    slow = signal in TIED and operation in ("prominence", "width", "all")
    # SciPy's choice among equal peaks that are too near one another is another one.
    compared = not (signal in TIED and operation == "distance")
    peer = Peer("SciPy", lambda: scipy_side(signal, n, PEERS[operation]), goal(operation, signal, n), compared)
    return Line(f"dsp/peaks-{operation}/{signal}/{n}", worker(signal, n, operation), [peer],
                rounds=1 if slow else None, slow=slow or n > 1_000_000)


def doubling(operation, signal):
    """Time at 2 n beside time at n."""
    n = 100_000
    return Line(f"dsp/peaks-{operation}-doubled/{signal}", worker(signal, 2 * n, operation),
                [Peer("itself at half the length", worker(signal, n, operation), 2.3, compared=False)])


def wavelets(what, name, level):
    n = 1_000_000
    return Line(f"dsp/{what}/{name}/{n}", worker("sine", n, f"{what}:{name}:{level}"),
                [Peer("PyWavelets", lambda: wavelet_side(n, what, name, level), 1 / 3.5 if what == "dwt" else 1 / 5)],
                lambda ours, theirs: ours[0] == theirs[0] and abs(ours[1] - theirs[1]) <= 1e-9 * theirs[1])


def lines(threads):
    if threads > 1:
        return
    for operation in PEERS:
        for signal in signals(10):
            # SciPy takes minutes for a million there, of which one case is enough.
            minutes = signal in TIED and operation in ("prominence", "width", "all")
            yield peaks(operation, signal, 100_000 if minutes else 1_000_000)
    yield peaks("prominence", "clipped", 1_000_000)
    yield from (peaks("indices", signal, 10_000_000) for signal in ("white", "sine", "walk"))
    for operation in ("indices", "distance", "prominence", "width", "width-whole"):
        yield from (doubling(operation, signal) for signal in signals(10))
    for what in ("dwt", "denoise"):
        yield from (wavelets(what, name, level) for name, level in WAVELETS.items())


if __name__ == "__main__":
    compare.keep_memory()
    compare.run(lines)
