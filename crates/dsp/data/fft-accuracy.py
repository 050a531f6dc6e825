#!/usr/bin/env python3
"""Prints the error of SciPy's real transform as the table in src/fft/accuracy.rs has it.

The error is the root of the mean square over 48 bins, over that of their values, in units of eps log2 n (eps is
2^-52); the exact values are sums in 80-bit arithmetic. The samples are those of `noise` there: SplitMix64.
"""

import numpy as np
import scipy
import scipy.fft

LENGTHS = [1024, 4096, 16384, 65536, 1 << 20, 44100, 48000, 1000000, 999, 4095, 11025, 99225, 30021,
           251, 1009, 10007, 65537, 100003, 1000003]


def noise(count):
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 0.5


def exact(x, k):
    """The sum over j of x_j exp(-2 pi i j k/n), angles reduced modulo n."""
    n = len(x)
    # 80 bits of pi, twice.
    turn = 8 * np.arctan(np.longdouble(1)) * ((np.arange(n, dtype=np.int64) * k % n).astype(np.longdouble) / n)
    return np.sum(x * np.cos(turn)), -np.sum(x * np.sin(turn))


print(f"SciPy {scipy.__version__}")
for n in LENGTHS:
    x = noise(n)
    found = scipy.fft.rfft(x)
    bins = [1 + j * (n // 2 - 1) // 48 for j in range(48)]
    error = size = 0.0
    for k in bins:
        re, im = exact(x, k)
        error += float((found[k].real - re) ** 2 + (found[k].imag - im) ** 2)
        size += float(re**2 + im**2)
    print(f"({n}, {(error / size) ** 0.5 / (2.0**-52 * np.log2(n)):.4f}),", flush=True)
