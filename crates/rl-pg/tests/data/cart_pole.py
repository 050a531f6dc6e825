"""Prints the digits of src/cart_pole.rs: states of Gymnasium's CartPole-v1, and of the equations written out here.

    pip install gymnasium && python cart_pole.py
"""

from math import cos, sin

import gymnasium
import numpy as np

START = (0.01, -0.02, 0.03, -0.04)
ACTIONS = [1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1]


def equations(state, force):
    """Barto, Sutton and Anderson 1983 as corrected by Florian 2007, one explicit Euler step."""
    x, v, a, w = state
    push = (force + 0.1 * 0.5 * w * w * sin(a)) / 1.1
    turning = (9.8 * sin(a) - cos(a) * push) / (0.5 * (4 / 3 - 0.1 * cos(a) ** 2 / 1.1))
    return x + 0.02 * v, v + 0.02 * (push - 0.05 * turning * cos(a) / 1.1), a + 0.02 * w, w + 0.02 * turning


env = gymnasium.make("CartPole-v1")
env.reset(seed=0)
env.unwrapped.state = np.array(START)
ours = START
print("gymnasium", gymnasium.__version__)
for count, action in enumerate(ACTIONS, 1):
    _, reward, terminated, truncated, _ = env.step(action)
    ours = equations(ours, 10.0 if action else -10.0)
    theirs = [float(entry) for entry in env.unwrapped.state]
    assert max(abs(a - b) for a, b in zip(ours, theirs)) < 1e-14
    if count in (1, 8) or terminated:
        print(count, theirs, reward, terminated, truncated)
    if terminated:
        break
