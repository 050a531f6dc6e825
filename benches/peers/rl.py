"""rl-pg's simulators against NumPy and Gymnasium, one thread each, in processor seconds; see README.md."""

import time

import compare
from compare import Lazy, Line, Peer, Worker, close, fixed, timed, uniform

import numpy as np

gymnasium, cartpole = Lazy("gymnasium"), Lazy("gymnasium.envs.classic_control.cartpole")
WORKER = Worker("rl-worker")
PUSHES = 200


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
                raise RuntimeError("a pole fell")
        return [float(np.abs(state[2]).sum())]

    return run


def with_vector(starts):
    env = cartpole.CartPoleVectorEnv(num_envs=starts.shape[1])

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


def side(run, per):
    """Processor seconds of one of `per` items."""

    def once():
        seconds, answer = timed(run, fill=0.2, clock=time.process_time)
        return seconds / per, answer
    return once


def worker(operation, count, per):
    def once():
        seconds, answer = WORKER.time(operation, count)
        return seconds / per, answer
    return lambda: once


def poles(make, count):
    """A peer that begins where ours does."""

    def made():
        starts = np.array([float(x) for x in WORKER.ask("starts", count)]).reshape(count, 4).T
        return side(make(starts), count * PUSHES)
    return made


def lines(threads):
    if threads > 1:
        return
    yield Line("rl-pg/arm-hit/2000", worker("arm-hit", 2000, 2000),
               [Peer("NumPy", lambda: side(with_arms(2000), 2000), 1 / 20)], close(1e-10))
    # A pole that is pushed to and fro by a rule doubles a rounding every quarter of a second.
    yield Line("rl-pg/cart-pole/1024", worker("cart-pole", 1024, 1024 * PUSHES),
               [Peer("NumPy, 1024 at once", poles(with_numpy, 1024)),
                Peer("Gymnasium's vector, 1024 at once", poles(with_vector, 1024)),
                fixed(1 / 20e6, "20 million steps a second")], close(1e-7))
    yield Line("rl-pg/cart-pole/20", worker("cart-pole", 20, 20 * PUSHES),
               [Peer("gymnasium.make", poles(with_make, 20))], close(1e-7))


if __name__ == "__main__":
    compare.run(lines)
