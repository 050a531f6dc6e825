"""What the scripts beside it share: workers, lines of the table, and the run over them; see README.md.

A script has `lines(threads)`, which says what it can time, and ends in `compare.run(lines)`. A `Line` is one operation of
ours beside its peers. The answers are compared first. Then every round times ours and each peer once, in turn, in the
opposite order every second round, and the ratio ours / theirs is the median over the rounds with the smallest and the
largest. What a peer needs is imported when its turn comes; a peer that is not there becomes a row that says so.

Importing this module reads the command line and sets the number of threads of everything that is imported after it.
"""

import argparse
import importlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

parser = argparse.ArgumentParser()
parser.add_argument("ids", nargs="*", help="lines whose id contains one of these; a whole id means that line alone")
parser.add_argument("--threads", type=int, default=1, help="of every side")
parser.add_argument("--rounds", type=int, default=7, help="pairs for a line")
parser.add_argument("--workers", type=Path, help="where the workers lie (default: where cargo puts them)")
parser.add_argument("--list", action="store_true", help="say which lines there are, as JSON")
parser.add_argument("--json", action="store_true", help="a JSON object for each line that is done")
arguments = parser.parse_args()

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "DUCC0_NUM_THREADS",
             "RAYON_NUM_THREADS"):
    os.environ[name] = str(arguments.threads)

import numpy as np  # noqa: E402  (after the number of threads is set)

# Peers keep threads that wait by spinning, on the cores that the next side needs.
REST = 0.3 if arguments.threads > 1 else 0.0


class Lazy:
    """A module that is imported when it is first used, so that a missing one is missed by its own lines only."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        found = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, found)
        return found


class Missing(Exception):
    """A peer, or our own worker, that is not there."""


class Worker:
    """A program that answers a line with a line: ours, or a peer in Rust. It starts when it is first asked."""

    def __init__(self, program, threads=arguments.threads, program_arguments=()):
        self.program, self.threads, self.process = program, threads, None
        self.program_arguments = program_arguments

    def path(self):
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        folders = [arguments.workers] if arguments.workers else [target / "release", target / "bench/rust/release"]
        for folder in folders:
            if (folder / self.program).exists():
                return folder / self.program
        raise Missing(f"the program {self.program}")

    def ask(self, *request):
        """The words of the answer."""
        if self.process is None:
            environment = os.environ | {"RAYON_NUM_THREADS": str(self.threads)}
            self.process = subprocess.Popen([self.path(), *self.program_arguments], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True, env=environment)
        text = " ".join(map(str, request))
        try:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline()
        if not answer:
            self.process = None
            raise RuntimeError(f"{self.program} ended at {text[:200]}")
        return answer.split()

    def time(self, *request):
        """Seconds, and the numbers of the result."""
        seconds, *numbers = map(float, self.ask(*request))
        return seconds, numbers


Side = Callable[[], tuple[float, list]]
"""Runs once: seconds, and numbers that a wrong answer would not have."""


@dataclass
class Peer:
    """What ours is held against. `goal` is what ours / theirs may be at most."""

    name: str
    make: Callable[[], Side]
    goal: float | None = None
    compared: bool = True


@dataclass
class Line:
    """An operation of ours and its peers. `best` is the goal against the fastest of them, `unit` what is compared where it
    is no time."""

    id: str
    ours: Callable[[], Side]
    peers: list[Peer]
    agree: Callable[[list, list], bool] = lambda ours, theirs: list(ours) == list(theirs)
    best: float | None = None
    rounds: int | None = None
    slow: bool = False
    unit: str = "s"


def fixed(seconds, name, goal=1.0):
    """A time to stay below, as a peer."""
    return Peer(name, lambda: lambda: (seconds, []), goal, compared=False)


PEAK = None


def peak(operations, goal=None, precision="peak-f32"):
    """So many floating-point operations at the rate of multiply-adds in registers, of every thread, as a peer."""

    def make():
        global PEAK
        PEAK = PEAK or Worker("linalg-worker", 1)
        # The worker answers for a product of that size.
        share = operations / (2 * 1024**3) / arguments.threads
        return lambda: (PEAK.time("linalg", precision, 1024, 1)[0] * share, [])
    return Peer("multiply-add peak", make, goal, compared=False)


def close(tolerance, floor=1e-300):
    """Whether numbers agree within `tolerance` of theirs, or of `floor`."""
    return lambda ours, theirs: len(ours) == len(theirs) and all(
        abs(a - b) <= tolerance * max(abs(b), floor) for a, b in zip(ours, theirs))


def timed(run, fill=0.0, batches=1, clock=time.perf_counter):
    """Seconds of a call, and its result: the least of `batches`, a batch of so many calls as fill that many seconds."""
    start = clock()
    result = run()
    first = clock() - start
    if first >= fill and batches == 1:
        return first, result
    calls = max(1, min(math.ceil(fill / max(first, 1e-7)), 1_000_000))
    least = math.inf
    for _ in range(batches):
        start = clock()
        for _ in range(calls):
            result = None  # its memory may be used again
            result = run()
        least = min(least, (clock() - start) / calls)
    return least, result


def uniform(seed, count):
    """Uniform on [-1/2, 1/2) by SplitMix64 of a counter, as benches::uniform makes it."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53 - 0.5


def probe(values):
    """Sum and maximum of the magnitudes, as most workers answer."""
    magnitudes = np.abs(np.asarray(values))
    return [float(magnitudes.sum(dtype=np.float64)), float(magnitudes.max())]


def pin():
    """To as many processors as threads: some peers have a thread for each that they may use, and cannot be told."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])


def keep_memory():
    """Lets both sides use memory again that was used once, instead of returning it to the system and asking for it anew,
    page by page, in every round. The allocator reads this when a process starts."""
    settings = {"MALLOC_TRIM_THRESHOLD_": str(1 << 34), "MALLOC_MMAP_THRESHOLD_": str(1 << 34),
                "MALLOC_TOP_PAD_": str(1 << 26)}
    if any(os.environ.get(name) != value for name, value in settings.items()):
        os.environ.update(settings)
        os.execv(sys.executable, [sys.executable, *sys.argv])


def row(line, peer, pairs, goal, same):
    """A row of ratios.json."""
    ratios = [ours / theirs for ours, theirs in pairs]
    ratio = statistics.median(ratios)
    return {"id": line.id, "peer": peer, "ours_s": statistics.median(ours for ours, _ in pairs),
            "peer_s": statistics.median(theirs for _, theirs in pairs), "ratio": ratio, "ratio_min": min(ratios),
            "ratio_max": max(ratios), "threads": arguments.threads, "same_result": same, "goal": goal,
            "unit": line.unit, "met": None if goal is None else ratio <= goal}


def measure(line):
    """The rows of a line."""
    ours = line.ours()
    first, mine = ours()
    rows, sides, firsts = [], [], {None: first}
    for peer in line.peers:
        start = {"id": line.id, "peer": peer.name, "threads": arguments.threads, "goal": peer.goal}
        try:
            side = peer.make()
            firsts[peer.name], theirs = side()
        except (ImportError, Missing) as missing:
            rows.append(start | {"missing": str(missing)})
            continue
        if peer.compared and not line.agree(mine, theirs):
            differ = f"ours {np.asarray(mine).ravel()[:4]}, theirs {np.asarray(theirs).ravel()[:4]}"
            rows.append(start | {"same_result": False, "differ": differ})
            continue
        sides.append((peer, side, []))
    rounds = min(line.rounds or arguments.rounds, arguments.rounds)
    for number in range(rounds):
        order = [(None, ours, None), *sides]
        # The answers above warmed every side up; where one round is enough, they are it.
        seconds = firsts if rounds == 1 else {}
        for peer, side, _ in () if rounds == 1 else order if number % 2 == 0 else reversed(order):
            seconds[peer and peer.name] = side()[0]
            time.sleep(REST)
        for peer, _, pairs in sides:
            pairs.append((seconds[None], seconds[peer.name]))
    rows += [row(line, peer.name, pairs, peer.goal, True if peer.compared else None) for peer, _, pairs in sides]
    rivals = [side for side in sides if side[0].compared]
    if line.best is not None and rivals:
        peer, _, pairs = min(rivals, key=lambda side: statistics.median(theirs for _, theirs in side[2]))
        rows.append(row(line, f"best of {len(rivals)}: {peer.name}", pairs, line.best, True))
    return rows


def chosen(id, ids):
    """A whole id means that line alone, though others may contain it."""
    return not arguments.ids or any(id == word if word in ids else word in id for word in arguments.ids)


def show(done):
    """Rows for people."""
    for r in done.get("rows", []):
        if "ratio" not in r:
            print(f"{r['id']:<40} {r['peer']:<30} {'differs: ' + r['differ'] if 'differ' in r else 'missing: ' + r['missing']}")
            continue
        goal = "" if r["goal"] is None else f"   goal {r['goal']:.3g} {'met' if r['met'] else 'MISSED'}"
        print(f"{r['id']:<40} {r['peer']:<30} {r['ours_s']:>9.3e} {r['unit']} {r['peer_s']:>9.3e} {r['unit']} {r['ratio']:>8.3f} "
              f"({r['ratio_min']:.3f} to {r['ratio_max']:.3f}){goal}")
    if "error" in done:
        print(f"{done['id']:<40} error: {done['error']}")


def run(lines):
    """Times what the command line asks for."""
    found = list(lines(arguments.threads))
    ids = {line.id for line in found}
    for line in filter(lambda line: chosen(line.id, ids), found):
        if arguments.list:
            goals = line.best is not None or any(peer.goal is not None for peer in line.peers)
            print(json.dumps({"id": line.id, "slow": line.slow, "goals": goals}))
            continue
        start = time.perf_counter()
        done = {"id": line.id, "threads": arguments.threads}
        try:
            done["rows"] = measure(line)
        except Exception as error:  # a line that fails takes no other with it
            done["error"] = f"{type(error).__name__}: {error}"
        done["seconds"] = time.perf_counter() - start
        print(json.dumps(done), flush=True) if arguments.json else show(done)
        sys.stdout.flush()
