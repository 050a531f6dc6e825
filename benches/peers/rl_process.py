"""Rollouts of a Python simulator asked from rl-pg, and from Python over multiprocessing's pipes; see README.md.

The latter is how stable-baselines3's SubprocVecEnv asks: pickles over a pipe. Both ask the same worker function for the
same contexts (4 numbers) and actions (15) and get a reward and 4 metrics. `serve ENCODING` is that worker, for ours; `json` is
read and written by the standard library, `orjson` is the same lines by that module. With `-watched` behind it both sides
look for each other's bytes for a millisecond before they sleep.
"""

import importlib.util
import math
import multiprocessing
import sys
import time
from pathlib import Path

ROLLOUTS = 4096
WATCH = 1e-3


def rollout(context, action, seed):
    return action[0] * context[0] + action[14], {"a": action[0], "b": action[1], "c": action[2], "d": action[3]}


def serve(encoding):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "crates" / "rl-pg" / "python"))
    encoding, _, watch = encoding.partition("-")
    if encoding == "json":
        sys.modules["orjson"] = None
    import plumbline_worker

    plumbline_worker.serve(rollout, context=4, action=15, metrics=["a", "b", "c", "d"], binary=encoding == "binary",
                           watch=WATCH if watch else 0)


def answer(pipe):
    try:
        while True:
            pipe.send([rollout(*request) for request in pipe.recv()])
    except EOFError:
        pass  # The other end has gone, and with it the benchmark.


def piped(batch):
    """Seconds of a rollout, and the sum of the rewards of a list."""
    ours, other = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=answer, args=(other,), daemon=True)
    process.start()
    requests = [([math.sin(7 * i + 13 * j) for i in range(4)], [math.sin(7 * i + 13 * j) for i in range(15)], j)
                for j in range(batch)]

    def once():
        start = time.perf_counter()
        for _ in range(ROLLOUTS // batch):
            ours.send(requests)
            total = sum(reward for reward, _ in ours.recv())
        return (time.perf_counter() - start) / ROLLOUTS, [total]
    return once


def lines(threads):
    from compare import Line, Missing, Peer, Worker, close, fixed

    if threads > 1:
        return
    worker = Worker("rl-process", program_arguments=[sys.executable, __file__, "serve"])
    goals = {1: (25e-6, "25 us"), 64: (5e-6, "5 us")}
    for encoding in ("json", "json-watched", "orjson", "orjson-watched", "binary", "binary-watched"):
        for batch in (1, 64, 256):

            def ours(encoding=encoding, batch=batch):
                if encoding.startswith("orjson") and not importlib.util.find_spec("orjson"):
                    raise Missing("orjson")
                return lambda: worker.time(encoding, batch, ROLLOUTS // batch)

            peers = [Peer("multiprocessing's pipes", lambda batch=batch: piped(batch))]
            if not encoding.startswith("binary") and batch in goals:
                peers.append(fixed(*goals[batch]))
            yield Line(f"rl-pg/process-{encoding}/{batch}", ours, peers, close(1e-12))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    else:
        import compare

        compare.run(lines)
