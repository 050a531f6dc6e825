"""Labels 1,000 targets of one hidden layer by linear programmes: can W h = r with h in a box?

Writes reach-lp.csv with a number a line. For boxes [-1, 1] (index % 3 = 0) and [0, 1] (1) it is the least
t such that the box, widened t times about its center, can; above 1 the target is out of reach. For h >= 0
(2) it is the least sum of |W h - r|; above 0 the target is out of reach. 1e9 stands for no solution at any t.

python3 reach-lp.py > reach-lp.csv        (numpy 2.4.6, SciPy 1.17.1, HiGHS)
"""

import numpy as np
from scipy.optimize import linprog


def uniform(seed, count):
    """Uniform on [-1/2, 1/2) by SplitMix64."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)) * 2.0**-53 - 0.5


def problem(index):
    """W, rows x columns in column order, then r = W h for h drawn from a box about as large as the range."""
    rows, columns = 2 + index % 4, 2 + index // 4 % 7
    numbers = uniform(index + 1, rows * columns + columns + rows)
    w = numbers[: rows * columns].reshape(columns, rows).T
    h = 3.2 * numbers[rows * columns : rows * columns + columns]
    if index % 3 == 1:
        h = 0.5 + h / 2
    if index % 3 == 2:
        h = h + 0.8
    r = w @ h
    if index % 5 == 0:
        r = r + 0.1 * numbers[rows * columns + columns :]
    return w, r


def label(index):
    w, r = problem(index)
    rows, columns = w.shape
    if index % 3 == 2:
        a = np.hstack([w, np.eye(rows), -np.eye(rows)])
        cost = np.r_[np.zeros(columns), np.ones(2 * rows)]
        return linprog(cost, A_eq=a, b_eq=r, bounds=(0, None)).fun
    center = 0.5 if index % 3 == 1 else 0.0
    half = 1.0 - center
    # |h - center| <= half * t, with g = h - center.
    a_eq = np.hstack([w, np.zeros((rows, 1))])
    eye, ones = np.eye(columns), -half * np.ones((columns, 1))
    a_ub = np.block([[eye, ones], [-eye, ones]])
    cost = np.r_[np.zeros(columns), 1.0]
    bounds = [(None, None)] * columns + [(0, None)]
    done = linprog(cost, A_ub=a_ub, b_ub=np.zeros(2 * columns), A_eq=a_eq,
                   b_eq=r - w.sum(axis=1) * center, bounds=bounds)
    return done.fun if done.status == 0 else 1e9


for index in range(1000):
    print(f"{label(index):.9g}")
