"""Writes ../src/wavelet/tables.rs: wavelet filters, each number the nearest double to its exact value.

python wavelet-filters.py        (made with PyWavelets 1.9.0 for starting values, mpmath 1.4; two minutes)

Daubechies filters and symlets solve sum h[k] h[k+2m] = delta(m) with N vanishing moments; coiflets share
2N vanishing moments of the wavelet and 2N - 1 of the scaling function about its center. The tabulated
values of PyWavelets start a Newton iteration with 150 digits, which has to reach a residual of 1e-100 not
more than 3e-11 away. Biorthogonal filters are split from ((1 + z)/2)^(Nr + Nd) P(y) by the roots of P.
"""

import pywt
from mpmath import binomial, lu_solve, matrix, mp, mpf, polyroots, qr_solve, sqrt

mp.dps = 150
LOCAL = mpf(10) ** -11 * 3
HEAD = """//! Filters, each number the nearest double to its exact value; `data/wavelet-filters.py` wrote this.

#![expect(clippy::approx_constant, reason = "some taps are 1/√2")]

"""



def orthonormal(h):
    """(values, rows of the derivative) of sum h[k] h[k+2m] - delta(m)."""
    n = len(h)
    values, rows = [], []
    for m in range(n // 2):
        values.append(sum(h[k] * h[k + 2 * m] for k in range(n - 2 * m)) - (m == 0))
        row = [mpf(0)] * n
        for k in range(n - 2 * m):
            row[k] += h[k + 2 * m]
            row[k + 2 * m] += h[k]
        rows.append(row)
    return values, rows


def moments(h, powers, sign, center):
    values, rows = [], []
    for j in powers:
        row = [mpf(sign) ** k * (mpf(k) - center) ** j / mpf(len(h)) ** j for k in range(len(h))]
        values.append(sum(a * b for a, b in zip(row, h)))
        rows.append(row)
    return values, rows


def polished(name, start, powers, center=None):
    h = [mpf(x) for x in start]
    middle = mpf(len(h) - 1) / 2
    for _ in range(12):
        parts = [orthonormal(h), moments(h, powers, -1, middle)]
        if center is not None:
            parts.append(moments(h, range(1, len(powers)), 1, center))
        values = [v for part in parts for v in part[0]]
        rows = [r for part in parts for r in part[1]]
        if max(abs(v) for v in values) < mpf(10) ** -100:
            break
        step = (qr_solve(matrix(rows), matrix(values))[0] if len(rows) > len(h)
                else lu_solve(matrix(rows), matrix(values)))
        h = [a - step[k] for k, a in enumerate(h)]
    else:
        raise SystemExit(f"{name} does not converge")
    moved = max(abs(a - mpf(x)) for a, x in zip(h, start))
    if moved > LOCAL:
        raise SystemExit(f"{name} moved by {moved}")
    return h


def product(a, b):
    c = [mpf(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            c[i + j] += x * y
    return c


def spline(zeros):
    return [binomial(zeros, k) / mpf(2) ** zeros for k in range(zeros + 1)]


def in_z(factor):
    """A polynomial in y = (2 - z - 1/z)/4, lowest power first, as a symmetric filter in z."""
    total = [mpf(0)] * (2 * len(factor) - 1)
    power = [mpf(1)]
    y = [mpf(-1) / 4, mpf(1) / 2, mpf(-1) / 4]
    for c in factor:
        offset = (len(total) - len(power)) // 2
        for k, x in enumerate(power):
            total[offset + k] += c * x
        power = product(power, y)
    return total


def subsets(roots, degree):
    """Ways to pick `degree` roots with each complex one's conjugate."""
    groups = []
    for r in roots:
        if abs(r.imag) < mpf(10) ** -80:
            groups.append([r.real])
        elif r.imag > 0:
            groups.append([r, r.conjugate()])
    for bits in range(2 ** len(groups)):
        picked = [r for g, group in enumerate(groups) if bits >> g & 1 for r in group]
        rest = [r for g, group in enumerate(groups) if not bits >> g & 1 for r in group]
        if len(picked) == degree:
            yield picked, rest


def factor(roots):
    c = [mpf(1)]
    for r in roots:
        c = product(c, [mpf(1), -1 / r])
    return [x.real for x in c]


def filled(taps, like):
    """Scaled to the sum sqrt 2 and placed where PyWavelets' has its taps."""
    scale = sqrt(mpf(2)) / sum(taps)
    first = next(k for k, x in enumerate(like) if x != 0)
    return [mpf(0)] * first + [t * scale for t in taps] + [mpf(0)] * (len(like) - first - len(taps))


def biorthogonal(name):
    w = pywt.Wavelet(name)
    nr, nd = (int(x) for x in name[4:].split("."))
    length = [sum(1 for x in f if x != 0) for f in (w.rec_lo, w.dec_lo)]
    best = None
    for zr, zd in {(nr, nd), (4, 6), (6, 4)} if name == "bior5.5" else {(nr, nd)}:
        degree = (zr + zd) // 2 - 1
        p = [binomial(degree + k, k) for k in range(degree + 1)]
        roots = polyroots(p[::-1], maxsteps=500, extraprec=600) if degree else []
        for picked, rest in subsets([mp.mpc(r) for r in roots], (length[0] - 1 - zr) // 2):
            rec, dec = (product(spline(z), in_z(factor(r))) for z, r in ((zr, picked), (zd, rest)))
            if len(rec) == length[0] and len(dec) == length[1]:
                pair = filled(rec, w.rec_lo), filled(dec, w.dec_lo)
                far = max(abs(a - mpf(b)) for f, g in zip(pair, (w.rec_lo, w.dec_lo)) for a, b in zip(f, g))
                best = min(best or (far, pair), (far, pair), key=lambda x: x[0])
    if best is None or best[0] > mpf(10) ** -7:
        raise SystemExit(f"{name}: nothing near, {best and best[0]}")
    return best


def written(numbers):
    texts = [repr(float(x)) if "e" in repr(float(x)) or "." in repr(float(x)) else f"{float(x)}" for x in numbers]
    lines = [", ".join(texts[k : k + 8]) for k in range(0, len(texts), 8)]
    return "&[\n        " + ",\n        ".join(lines) + ",\n    ]"


def main():
    out = [HEAD]
    families = [
        ("DAUBECHIES", "db1 to db38, by the taps of the scaling filter for reconstruction",
         [(f"db{n}", range(n), None) for n in range(1, 39)]),
        ("SYMLETS", "sym2 to sym20", [(f"sym{n}", range(n), None) for n in range(2, 21)]),
        ("COIFLETS", "coif1 to coif5", [(f"coif{n}", range(2 * n), n) for n in range(1, 6)]),
    ]
    for constant, what, members in families:
        rows = []
        for name, powers, coiflet in members:
            start = pywt.Wavelet(name).rec_lo
            center = None
            if coiflet:
                center = mpf(round(sum(k * x for k, x in enumerate(start)) / 2**0.5))
            h = polished(name, start, powers, center)
            print(name, mp.nstr(max(abs(a - mpf(x)) for a, x in zip(h, start)), 3), flush=True)
            rows.append(f"    {written(h)},\n")
        out.append(f"/// {what}.\n#[rustfmt::skip]\npub(super) const {constant}: [&[f64]; {len(rows)}] = [\n"
                   + "".join(rows) + "];\n\n")
    rows = []
    for name in pywt.wavelist("bior"):
        far, (rec, dec) = biorthogonal(name)
        print(name, mp.nstr(far, 3), flush=True)
        rows.append(f"    (\"{name[4:]}\", {written(dec)}, {written(rec)}),\n")
    out.append("/// (zeros at -1, scaling filter of analysis, scaling filter of synthesis).\n#[rustfmt::skip]\n"
               f"pub(super) const BIORTHOGONAL: [(&str, &[f64], &[f64]); {len(rows)}] = [\n"
               + "".join(rows) + "];\n")
    with open("../src/wavelet/tables.rs", "w") as file:
        file.write("".join(out))


main()
