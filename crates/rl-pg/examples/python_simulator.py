"""How far a ball flies that is thrown at an angle, with drag and a random wind."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from plumbline_worker import serve  # noqa: E402

import math  # noqa: E402
import random  # noqa: E402


def throw(context, action, seed):
    wind = random.Random(seed).gauss(0, 2)
    angle = math.radians(action[0])
    x, y, vx, vy, step = 0.0, 2.0, 20 * math.cos(angle), 20 * math.sin(angle), 0.01
    while y > 0:
        drag = 0.02 * math.hypot(vx - wind, vy)
        vx -= step * drag * (vx - wind)
        vy -= step * (9.81 + drag * vy)
        x, y = x + step * vx, y + step * vy
    print("thrown at", action[0])  # harmless: it goes to standard error
    return x


serve(throw, context=0, action=1, name="throw")
