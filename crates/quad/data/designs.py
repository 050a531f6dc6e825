#!/usr/bin/env python3
"""Finds the spherical designs of data/designs.txt: `python designs.py > designs.txt`, some minutes.

A design of degree t is a set of points whose mean of every polynomial of degree t is that of the sphere. These consist
of orbits of the 60 rotations of the icosahedron, so that only the harmonics that those leave unchanged have to
average to nothing: as many equations as the series of (1 + x^15)/((1 - x^6)(1 - x^10)) says, against two angles for
each orbit of 60 points. Levenberg and Marquardt's method solves them from random points; residuals in 80-bit numbers
then put the last digits right. Each line has the degree, the letters of the special orbits in it (v for the 12 vertices,
f for the 20 centers of faces), and colatitude and azimuth of one point of every other orbit.
"""

import numpy as np

LONG = np.longdouble
GOLDEN = (1 + LONG(5) ** 0.5) / 2
SPECIAL = {"v": np.array([0, 1, GOLDEN]), "f": np.ones(3, LONG)}
# Degree, special orbits, orbits of 60 points: the smallest that were found.
WANTED = [(5, "v", 0), (11, "v", 1), (15, "v", 2), (19, "vf", 3), (21, "v", 4), (23, "v", 5), (29, "v", 7),
          (31, "", 9), (33, "", 10), (35, "", 11), (38, "", 13), (41, "", 15), (45, "", 18), (49, "", 21),
          (51, "", 23), (55, "", 27), (59, "", 31), (65, "", 37)]


def unit(x):
    return x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True))


def group():
    """Turns by fifths of a circle about a vertex, after the 12 rotations of the tetrahedron."""
    x, y, z = unit(SPECIAL["v"])
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    elements = []
    for fifth in range(5):
        angle = 8 * np.arctan(LONG(1)) * fifth / 5
        turn = np.eye(3, dtype=LONG) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
        for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1]):
            for signs in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)):
                inner = np.zeros((3, 3), LONG)
                inner[range(3), order] = signs
                elements.append(turn @ inner)
    return np.array(elements)


GROUP = group()
INVARIANTS = {}
for a in range(20):
    for b in range(12):
        for odd in (0, 15):
            INVARIANTS[6 * a + 10 * b + odd] = INVARIANTS.get(6 * a + 10 * b + odd, 0) + 1


class Equations:
    """Means over the points of P_l(c.x), for as many random c as there are invariants of degree l."""

    def __init__(self, degree, special, kind):
        self.degrees = [l for l in range(1, degree + 1) if l in INVARIANTS]
        self.kind, self.group = kind, GROUP.astype(kind)
        rng = np.random.default_rng(7)
        self.centers = unit(rng.standard_normal((max([1] + [INVARIANTS[l] for l in self.degrees]), 3))).astype(kind)
        self.top = degree
        self.fixed = [(len(set(tuple(np.round(p, 9).astype(float)) for p in GROUP @ unit(SPECIAL[s]))),
                       unit(SPECIAL[s]).astype(kind)) for s in special]

    def legendre(self, x):
        values, slopes = [np.ones_like(x), x], [np.zeros_like(x), np.ones_like(x)]
        for l in range(1, self.top):
            values.append(((2 * l + 1) * x * values[l] - l * values[l - 1]) / (l + 1))
            slopes.append(slopes[l - 1] + (2 * l + 1) * values[l])
        return values, slopes

    def along(self, x):
        return np.einsum("gij,...j,ci->...gc", self.group, x, self.centers)

    def at(self, x):
        """Residuals, their derivatives along two tangents of each point, and these tangents."""
        count = 60 * len(x) + sum(size for size, _ in self.fixed)
        values, slopes = self.legendre(self.along(x))
        first = unit(np.cross(x, np.where(np.abs(x[:, :1]) < 0.6, np.eye(3, dtype=self.kind)[0], np.eye(3, dtype=self.kind)[1])))
        tangents = np.stack([first, np.cross(x, first)], axis=1)
        turning = self.along(tangents)
        special = [(size, self.legendre(self.along(p))[0]) for size, p in self.fixed]
        residuals, rows = [], []
        for l in self.degrees:
            scale = np.sqrt(self.kind(2 * l + 1)) / count
            for c in range(INVARIANTS[l]):
                rest = sum(size * value[l][:, c].mean() for size, value in special)
                residuals.append(scale * (values[l][:, :, c].sum() + rest))
                rows.append((scale * (slopes[l][:, None, :, c] * turning[:, :, :, c]).sum(axis=2)).reshape(-1))
        return np.array(residuals), np.array(rows), tangents


def moved(x, tangents, step):
    return unit(x + np.einsum("kb,kbj->kj", step.reshape(-1, 2), tangents))


def solve(degree, special, orbits):
    plain, exact = Equations(degree, special, np.float64), Equations(degree, special, LONG)
    for seed in range(1000):
        x = unit(np.random.default_rng(seed).standard_normal((orbits, 3)))
        residual, rows, tangents = plain.at(x)
        damping = 1e-3
        for _ in range(300):
            gram = rows.T @ rows
            step = np.linalg.solve(gram + damping * np.diag(np.diag(gram) + 1e-12), -rows.T @ residual)
            tried = moved(x, tangents, step)
            after = plain.at(tried)
            if after[0] @ after[0] < residual @ residual:
                x, (residual, rows, tangents), damping = tried, after, max(damping / 5, 1e-15)
            else:
                damping *= 4
            if damping > 1e6 or residual @ residual < 1e-28:
                break
        if residual @ residual < 1e-26:
            x = x.astype(LONG)
            for _ in range(3):
                residual, rows, tangents = exact.at(x)
                step = -np.linalg.pinv(rows.astype(float)) @ residual.astype(float)
                x = moved(x, tangents, step.astype(LONG))
            return x, float(np.max(np.abs(exact.at(x)[0])))
    raise SystemExit(f"no design of degree {degree}")


if __name__ == "__main__":
    import sys

    for degree, special, orbits in WANTED:
        x, residual = solve(degree, special, orbits) if orbits else (np.zeros((0, 3), LONG), 0.0)
        angles = [f"{float(np.arctan2(np.hypot(p[0], p[1]), p[2]))!r} {float(np.arctan2(p[1], p[0]))!r}" for p in x]
        print(" ".join([str(degree), special or "-", *angles]), flush=True)
        print(f"degree {degree}: {60 * orbits} + {special or 'none'}, residual {residual:.1e}", file=sys.stderr, flush=True)
