"""dsp's MUSIC against numpy, numpy.roots and spectrum.pmusic; see README.md."""

import compare
from compare import Lazy, Line, Peer, Worker, fixed, timed, uniform

import numpy as np

SAMPLES, SUBARRAY, POINTS = 192, 64, 10_000
ANGLES = np.array([-1.9, -0.4, 0.35, 1.3])
spectrum = Lazy("spectrum")
WORKER = Worker("dsp-subspace-worker")


def signal():
    noise = uniform(1, 2 * SAMPLES)
    return np.exp(1j * np.outer(np.arange(SAMPLES), ANGLES)).sum(axis=1) + 0.2 * (noise[0::2] + 1j * noise[1::2])


X = signal()
GRID = 2 * np.pi * np.arange(POINTS) / POINTS
STEERING = np.exp(1j * np.outer(np.arange(SUBARRAY), GRID))


def noise_subspace():
    windows = np.lib.stride_tricks.sliding_window_view(X, SUBARRAY).T
    forward = windows @ windows.conj().T / windows.shape[1]
    both = (forward + forward[::-1, ::-1].conj()) / 2
    return np.linalg.eigh(both)[1][:, : SUBARRAY - 4]


NOISE = noise_subspace()


def grid():
    return np.sum(np.abs(NOISE.conj().T @ STEERING) ** 2, axis=0)


def music():
    d = np.sum(np.abs(noise_subspace().conj().T @ STEERING) ** 2, axis=0)
    lowest = np.flatnonzero((d < np.roll(d, 1)) & (d <= np.roll(d, -1)))
    return GRID[lowest[np.argsort(d[lowest])[:4]]]


def roots():
    projector = NOISE @ NOISE.conj().T
    return np.roots([np.trace(projector, offset) for offset in range(SUBARRAY - 1, -SUBARRAY, -1)])


def with_spectrum():
    pmusic = spectrum.pmusic

    def run():
        found = pmusic(X, SUBARRAY, NSIG=4, NFFT=16384)
        found.run()
        return np.asarray(found.psd)
    return side(run)


def side(run):
    return lambda: timed(run, fill=0.02, batches=5)


def same_angles(ours, theirs):
    """Ours are polished, theirs on the grid."""
    turn = np.exp(1j * (np.sort(np.array(ours) % (2 * np.pi)) - np.sort(theirs % (2 * np.pi))))
    return np.max(np.abs(np.angle(turn))) <= np.pi / POINTS * 1.01


def same_roots(ours, theirs):
    """Relative beyond the circle; those on the circle are near pairs, which rounding moves by its root."""
    ours = np.array(ours[0::2]) + 1j * np.array(ours[1::2])
    distance = np.abs(ours[:, None] - theirs[None, :]).min(axis=1) / np.maximum(1, np.abs(ours))
    return len(ours) == len(theirs) and distance.max() <= 1e-10


def lines(threads):
    if threads > 1:
        return

    def ours(operation):
        return lambda: lambda: WORKER.time(operation)

    yield Line("dsp/music-grid/64", ours("grid"), [Peer("numpy's product", lambda: side(grid), 1 / 20)],
               lambda ours, theirs: np.max(np.abs(np.array(ours) - theirs)) <= 1e-10)
    # The goal is either 1.2 ms or 30 times faster than pmusic, whose answer is another one: it takes the first 164
    # samples whatever it is given.
    yield Line("dsp/music/64", ours("music"),
               [Peer("numpy", lambda: side(music)), Peer("spectrum.pmusic", with_spectrum, 1 / 30, compared=False),
                fixed(1.2e-3, "1.2 ms")], same_angles)
    yield Line("dsp/music-roots/64", ours("roots"), [Peer("numpy.roots", lambda: side(roots), 1 / 20)], same_roots)


if __name__ == "__main__":
    compare.run(lines)
