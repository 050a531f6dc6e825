"""The two experiments of nn-core that are to end within a stated time, as the programs that anybody runs; see README.md."""

import os
import re
import statistics
import subprocess
import time

import compare
from compare import Line, Worker, arguments, fixed


def said(example):
    """Seconds of the whole program, and what it said."""
    environment = os.environ | {"RAYON_NUM_THREADS": str(arguments.threads)}
    start = time.perf_counter()
    done = subprocess.run([Worker(example).path()], capture_output=True, text=True, env=environment)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return seconds, done.stdout


def filters():
    """Thirty networks."""
    seconds, _ = said("examples/filters")
    return seconds, []


def digits():
    """The median of five networks, which have to read 98.5 % of the images held out."""
    _, text = said("examples/digits")
    read = float(re.search(r"median of the five: ([0-9.]+) %", text)[1])
    if read < 98.5:
        raise RuntimeError(f"{read} % of the images were read, which is below 98.5 %")
    return statistics.median(map(float, re.findall(r"steps, ([0-9.]+) s", text))), []


def lines(threads):
    if threads == 1:
        yield Line("nn-core/filters/30-seeds", lambda: filters, [fixed(5.0, "5 s")], rounds=1, slow=True)
    if threads == 2:
        yield Line("nn-core/digits/5-seeds", lambda: digits, [fixed(20.0, "20 s")], rounds=1, slow=True)


if __name__ == "__main__":
    compare.run(lines)
