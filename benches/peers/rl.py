"""Times the simulators of rl-pg against NumPy and Gymnasium in one run, one thread each; see README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = "1"

import gymnasium  # noqa: E402  (after the number of threads is set)
import numpy as np  # noqa: E402
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--rounds", type=int, default=15)
arguments = parser.parse_args()

PUSHES = 200


class Worker:
    def __init__(self):
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.process = subprocess.Popen(
            [target / "release" / "rl-worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, operation, count):
        self.process.stdin.write(f"{operation} {count}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            sys.exit(f"the worker ended at {operation} {count}")
        return [float(x) for x in answer]


# ArmHit-v0, from its equations, for many rollouts at once.

LINKS = np.array([0.5, 0.4, 0.15])
HOME = np.radians([-30.0, 60.0, 60.0])
BLADE, FLOOR, GRAVITY, DURATION, BOUNCE = 0.12, -1.0, 9.81, 0.8, 0.8
TIMES = np.arange(401) * DURATION / 400


def bases(t):
    """Values and rates, times x 5."""
    z = t[:, None] / DURATION
    away = z - np.arange(5) / 4
    g = np.exp(-((away / 0.15) ** 2) / 2)
    slope = -g * away / 0.15**2
    total = g.sum(1, keepdims=True)
    psi = g / total
    rate = (slope - psi * slope.sum(1, keepdims=True)) / total
    x = np.minimum(z / 0.3, 1.0)
    s, s1 = x**3 * (10 - 15 * x + 6 * x * x), 30 * x**2 * (1 - x) ** 2 / 0.3
    return s * psi, (s1 * psi + s * rate) / DURATION


GRID = bases(TIMES)[0]


def moment(contexts, weights, t):
    """Everything at one time for each rollout."""
    value, rate = bases(t)
    angles = np.cumsum(HOME + np.einsum("bjk,bk->bj", weights, value), 1)
    rates = np.cumsum(np.einsum("bjk,bk->bj", weights, rate), 1)
    cosine, sine = np.cos(angles), np.sin(angles)
    bx = contexts[:, 0] + contexts[:, 2] * t
    by = contexts[:, 1] + contexts[:, 3] * t - GRAVITY / 2 * t * t
    px, py = bx - cosine @ LINKS, by - sine @ LINKS
    vx, vy = contexts[:, 2], contexts[:, 3] - GRAVITY * t
    rx, ry = vx + (sine * rates) @ LINKS, vy - (cosine * rates) @ LINKS
    c, s = cosine[:, 2], sine[:, 2]
    across, along = c * py - s * px, c * px + s * py
    closing = c * ry - s * rx - rates[:, 2] * along
    return across, along, closing, bx, by, vx, vy, c, s


def root(contexts, weights, low, high, left):
    """Newton's method, by halves where it leaves the interval."""
    t = (low + high) / 2
    for _ in range(60):
        across, _, closing, *_ = moment(contexts, weights, t)
        same = (across > 0) == (left > 0)
        low, high = np.where(same, t, low), np.where(same, high, t)
        step = t - across / closing
        step = np.where((step >= low) & (step <= high), step, (low + high) / 2)
        done = np.abs(step - t).max() <= 1e-13
        if done:
            break
        t = step
    return t


def arm_hit(contexts, actions):
    """Rewards and successes, contexts and actions a row each."""
    count = len(contexts)
    weights = actions.reshape(count, 3, 5)
    angles = np.cumsum(HOME[:, None] + weights @ GRID.T, 1)
    cosine, sine = np.cos(angles), np.sin(angles)
    bx = contexts[:, :1] + contexts[:, 2:3] * TIMES
    by = contexts[:, 1:2] + contexts[:, 3:] * TIMES - GRAVITY / 2 * TIMES**2
    px, py = bx - np.einsum("j,bji->bi", LINKS, cosine), by - np.einsum("j,bji->bi", LINKS, sine)
    c, s = cosine[:, 2], sine[:, 2]
    across, along = c * py - s * px, c * px + s * py
    cross = (across[:, :-1] * across[:, 1:] <= 0) & (across[:, :-1] != 0)
    rewards, successes = np.empty(count), np.zeros(count, bool)
    missed = np.ones(count, bool)
    pending = np.flatnonzero(cross.any(1))
    while len(pending):
        at = cross[pending].argmax(1)
        cross[pending, at] = False
        ctx, w = contexts[pending], weights[pending]
        t = root(ctx, w, TIMES[at], TIMES[at + 1], across[pending, at])
        _, l, closing, x, y, vx, vy, cos, sin = moment(ctx, w, t)
        hit = (np.abs(l) <= BLADE) & (y >= FLOOR)
        ux, uy = vx + (1 + BOUNCE) * closing * sin, vy - (1 + BOUNCE) * closing * cos
        flight = (uy + np.sqrt(uy**2 + 2 * GRAVITY * np.maximum(y - FLOOR, 0))) / GRAVITY
        off = x + ux * flight - 2.5
        rewards[pending[hit]] = (1 + 2 / (1 + (off / 0.5) ** 2))[hit]
        successes[pending[hit]] = (np.abs(off) <= 0.2)[hit]
        missed[pending[hit]] = False
        pending = pending[~hit]
        pending = pending[cross[pending].any(1)]
    distance = np.hypot(across[missed], np.maximum(np.abs(along[missed]) - BLADE, 0))
    distance[by[missed] < FLOOR] = np.inf
    rewards[missed] = -np.minimum(distance.min(1), 2)
    return rewards - 0.01 * (actions**2).sum(1), successes


def radical_inverse(i, base):
    inverse, place = np.zeros(len(i)), 1.0
    while i.any():
        place /= base
        inverse += i % base * place
        i = i // base
    return inverse


def uniform(seed, count):
    """`benches::uniform`: SplitMix64 of a counter, on [-1/2, 1/2)."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 0.5


def swings(count):
    """`benches::swings`."""
    x, y, t, vx, vy = (radical_inverse(np.arange(1, count + 1), base) for base in (2, 3, 5, 7, 11))
    x, y, t, vx, vy = 0.55 + 0.3 * x, -0.3 + 0.7 * y, 0.4 + 0.2 * t, -4.5 + 1.5 * vx, -3 + vy
    up = vy + GRAVITY * t
    contexts = np.stack([x - vx * t, y - up * t + GRAVITY / 2 * t * t, vx, up], 1)
    actions = 0.3 * np.sin(1 + np.arange(15)) + 0.2 * uniform(5, 15 * count).reshape(count, 15)
    return contexts, actions


def with_arms(count, together=100):
    """In parts that stay in the cache, which is faster."""
    contexts, actions = swings(count)

    def run():
        parts = [arm_hit(contexts[i:i + together], actions[i:i + together]) for i in range(0, count, together)]
        return [sum(float(part[0].sum()) for part in parts), sum(float(part[1].sum()) for part in parts)]

    return run


# CartPole.


def pushed(state):
    return state[2] + 0.3 * state[3] + 0.05 * state[0] + 0.1 * state[1] > 0


def with_numpy(starts):
    def run():
        state = starts.copy()
        steps = np.zeros(state.shape[1], int)
        for _ in range(PUSHES):
            x, v, a, w = state
            force = np.where(pushed(state), 10.0, -10.0)
            cosine, sine = np.cos(a), np.sin(a)
            push = (force + 0.05 * w * w * sine) / 1.1
            turning = (9.8 * sine - cosine * push) / (0.5 * (4 / 3 - 0.1 * cosine * cosine / 1.1))
            state = np.stack([x + 0.02 * v, v + 0.02 * (push - 0.05 * turning * cosine / 1.1),
                              a + 0.02 * w, w + 0.02 * turning])
            steps += 1
            if ((np.abs(state[0]) > 2.4) | (np.abs(state[2]) > 0.20943951023931953) | (steps >= 500)).any():
                sys.exit("a pole fell")
        return [float(np.abs(state[2]).sum())]

    return run


def with_vector(starts):
    env = CartPoleVectorEnv(num_envs=starts.shape[1])

    def run():
        env.reset(seed=0)
        env.state = starts.copy()
        for _ in range(PUSHES):
            env.step(pushed(env.state).astype(np.int64))
        return [float(np.abs(env.state[2]).sum())]

    return run


def with_make(starts):
    env = gymnasium.make("CartPole-v1")

    def run():
        total = 0.0
        for start in starts.T:
            env.reset(seed=0)
            inner = env.unwrapped
            inner.state = start.copy()
            for _ in range(PUSHES):
                env.step(int(pushed(inner.state)))
            total += abs(float(inner.state[2]))
        return [total]

    return run


def seconds(run):
    start, runs = time.process_time(), 0
    while runs == 0 or time.process_time() - start < 0.2:
        run()
        runs += 1
    return (time.process_time() - start) / runs


def compare(worker, rows, operation, count, peer, run, per):
    """Processor seconds of `per` items by either side, in turn."""
    ours, theirs = worker.ask(operation, count)[1:], run()
    # A pole that is pushed to and fro by a rule doubles a rounding every quarter of a second.
    tolerance = 1e-10 if operation == "arm-hit" else 1e-7
    if not all(abs(a - b) <= tolerance * abs(b) for a, b in zip(ours, theirs, strict=True)):
        sys.exit(f"{operation}/{count}: ours {ours} and {peer}'s {theirs} differ")
    pairs = [(worker.ask(operation, count)[0], seconds(run)) for _ in range(arguments.rounds)]
    ratios = [a / b for a, b in pairs]
    row = {
        "id": f"{operation}/{count}", "peer": peer, "ours_s": min(a for a, _ in pairs),
        "peer_s": min(b for _, b in pairs), "ratio": statistics.median(ratios),
        "ratio_min": min(ratios), "ratio_max": max(ratios), "threads": 1, "same_result": True,
    }
    rows.append(row)
    print(f"{row['id']:<18}{peer:<32}{per / row['ours_s']:>14,.0f}{per / row['peer_s']:>14,.0f}"
          f"{row['ratio']:>9.4f}{row['ratio_min']:>9.4f}{row['ratio_max']:>9.4f}", flush=True)


def main():
    worker = Worker()
    rows = []
    print(f"{'operation':<18}{'peer':<32}{'ours a second':>14}{'theirs':>14}{'ratio':>9}{'min':>9}{'max':>9}")
    compare(worker, rows, "arm-hit", 2000, "numpy " + np.__version__, with_arms(2000), 2000)
    for count, peer, make in ((1024, "numpy " + np.__version__ + ", 1024 at once", with_numpy),
                              (1024, "gymnasium's vector, 1024 at once", with_vector),
                              (20, "gymnasium.make " + gymnasium.__version__, with_make)):
        starts = np.array(worker.ask("starts", count)).reshape(count, 4).T
        compare(worker, rows, "cart-pole", count, peer, make(starts), count * PUSHES)
    out = ROOT / "target" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "rl.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
