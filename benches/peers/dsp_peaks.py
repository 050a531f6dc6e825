"""Compares dsp's peaks and wavelets with SciPy and PyWavelets, then times them in one run; see README.md.

Times are processor seconds, so that other work on the machine counts as little as it can.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# One thread; and on both sides memory that was used once is used again, not returned to the system
# and asked for anew, page by page, in every round. The allocator reads this when a process starts.
SETTINGS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
            "MALLOC_MMAP_THRESHOLD_": str(1 << 34), "MALLOC_TOP_PAD_": str(1 << 26)}
if any(os.environ.get(name) != value for name, value in SETTINGS.items()):
    os.environ.update(SETTINGS)
    os.execv(sys.executable, [sys.executable, *sys.argv])

import numpy as np  # noqa: E402  (after the number of threads is set)
import pywt  # noqa: E402
import scipy  # noqa: E402
from scipy.signal import find_peaks  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--cases", type=int, default=100_000, help="random cases to compare bit for bit")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--only", default="", help="rows whose name contains this; 'none' compares only")
parser.add_argument("--large", action="store_true", help="1e7 samples too, and the minutes of SciPy's slow cases")
arguments = parser.parse_args()


class Worker:
    """Our side, in a process of its own."""

    def __init__(self):
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.process = subprocess.Popen([target / "release" / "dsp-peaks-worker"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, request):
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"the worker ended at {request[:200]}")
        return answer.strip()


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


def compare(worker):
    rng = np.random.default_rng(arguments.seed)
    peaks = tied = 0
    import warnings
    warnings.simplefilter("ignore")
    for k in range(arguments.cases):
        x, options = random_case(rng, k)
        fields = ["x=" + " ".join(repr(float(v)) for v in x)]
        for name, value in options.items():
            text = ":".join(map(written, value)) if isinstance(value, tuple) else repr(value)
            fields.append(f"{name}={text}")
        request = "case " + ";".join(fields)
        answer = worker.ask(request)
        rows = [[float(v) for v in row.split()] for row in answer.split(",")] if answer else []
        theirs = expected(x, options)
        if "prominence" not in options and "width" not in options:
            theirs = theirs[:, :6]
        ours = np.array(rows).reshape(theirs.shape if not rows else (len(rows), -1))
        if ours.shape != theirs.shape or not np.array_equal(ours, theirs, equal_nan=True):
            sys.exit(f"case {k} differs\n{request}\nours\n{ours}\ntheirs\n{theirs}")
        peaks += len(theirs)
        tied += k % 4 == 3
    print(f"{arguments.cases} random cases, {tied} of them with ties, {peaks} peaks: identical to SciPy {scipy.__version__}")
    differing = int(worker.ask(f"stream {arguments.cases} {arguments.seed}"))
    print(f"{arguments.cases} random signals in random chunks: {differing} differ from the whole")
    if differing:
        sys.exit(1)


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


def denoised(x, name, level):
    parts = pywt.wavedec(x, name, level=level)
    threshold = np.median(np.abs(parts[-1])) / 0.6744897501960817 * np.sqrt(2 * np.log(len(x)))
    return pywt.waverec([parts[0]] + [pywt.threshold(d, threshold, "soft") for d in parts[1:]], name)[:len(x)]


PEERS = {
    "indices": lambda x: find_peaks(x)[0],
    "find": lambda x: find_peaks(x)[0],
    "distance": lambda x: find_peaks(x, distance=50)[0],
    "prominence": lambda x: find_peaks(x, prominence=0.5)[0],
    "prominence-window": lambda x: find_peaks(x, prominence=0.5, wlen=201)[0],
    "width": lambda x: find_peaks(x, width=2)[0],
}
WAVELETS = [("haar", 15), ("db4", 6), ("sym8", 6), ("db20", 6), ("coif5", 6)]
# SciPy takes minutes there: its walks cross every equal peak.
SLOW = {"clipped", "periodic", "saw", "alternating"}


def rows(n):
    for signal, x in signals(n).items():
        for operation, peer in PEERS.items():
            slow = signal in SLOW and operation in ("prominence", "width")
            if slow and (n > 100_000 and not (arguments.large and signal == "clipped" and operation == "prominence" and n == 1_000_000)):
                continue
            ties = signal in SLOW and operation == "distance"
            yield f"{operation}/{signal}/{n}", operation, x, peer, slow, None if ties else exact
    if n == 1_000_000:
        x = signals(n)["sine"]
        for name, level in WAVELETS:
            yield (f"dwt/{name}/{n}", f"dwt:{name}:{level}", x,
                   lambda x, w=name, k=level: pywt.waverec(pywt.wavedec(x, w, level=k), w)[:len(x)], False, close)
            yield (f"denoise/{name}/{n}", f"denoise:{name}:{level}", x,
                   lambda x, w=name, k=level: denoised(x, w, k), False, close)


def exact(answer, theirs):
    return [int(v) for v in answer[1:]] == [len(theirs), int(theirs.sum())]


def close(answer, theirs):
    mine, sum_of = float(answer[2]), float(np.abs(theirs).sum())
    return int(answer[1]) == len(theirs) and abs(mine - sum_of) <= 1e-9 * sum_of


def main():
    worker = Worker()
    if arguments.cases:
        compare(worker)
    if arguments.only == "none":
        return
    table = []
    print(f"{'operation':<34}{'ours':>11}{'theirs':>12}{'ours/theirs':>13}{'min':>8}{'max':>8}   load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x")
        for n in [100_000, 1_000_000] + ([10_000_000] if arguments.large else []):
            for name, operation, x, peer, slow, same in rows(n):
                if arguments.only not in name:
                    continue
                x.astype("<f8").tofile(path)
                worker.ask(f"load {path}")
                pairs = []
                # The system counts processor time in steps of milliseconds.
                repeats = 1 if slow else max(1, (40_000_000 if operation in ("indices", "find", "distance") else 4_000_000) // n)
                for _ in range(1 if slow else arguments.rounds):
                    answer = worker.ask(f"time {operation} {repeats}").split()
                    start = time.process_time()
                    for _ in range(repeats):
                        theirs = peer(x)
                    pairs.append((float(answer[0]), (time.process_time() - start) / repeats))
                    if same and not same(answer, theirs):
                        sys.exit(f"{name}: ours {answer[1:]} and the peer's {len(theirs)} {theirs.sum()} differ")
                ours, other = (statistics.median(pair[k] for pair in pairs) for k in (0, 1))
                ratios = [a / b for a, b in pairs]
                ratio = statistics.median(ratios)
                row = {"id": name, "peer": "PyWavelets" if ":" in operation else "SciPy", "ours_s": ours, "peer_s": other,
                       "ratio": ratio, "ratio_min": min(ratios), "ratio_max": max(ratios), "threads": 1,
                       "same_result": same is not None}
                table.append(row)
                print(f"{name:<34}{ours * 1e3:>9.3f}ms{other * 1e3:>10.3f}ms{ratio:>13.3f}{min(ratios):>8.3f}{max(ratios):>8.3f}", flush=True)
        print("\ntime at 2n over time at n, of ours alone")
        for name in signals(10):
            line = f"{name:<14}"
            for operation in ("indices", "distance", "prominence", "width", "width-whole"):
                least = []
                for n in (50_000, 100_000, 200_000):
                    signals(n)[name].astype("<f8").tofile(path)
                    worker.ask(f"load {path}")
                    repeats = 20_000_000 // n
                    answers = [worker.ask(f"time {operation} {repeats}").split() for _ in range(9)]
                    least.append(min(float(answer[0]) for answer in answers))
                line += f"  {operation} {least[1] / least[0]:.2f} {least[2] / least[1]:.2f}"
            print(line, flush=True)
    out = ROOT / "target" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "dsp_peaks.json").write_text(json.dumps(table, indent=1) + "\n")
    print(f"medians of the ratios: {statistics.median(row['ratio'] for row in table):.2f}" if table else "")


if __name__ == "__main__":
    main()
