"""Memory that training steps of nn-core's convolution network add to a process, against PyTorch; see README.md.

A peak belongs to a process, so each figure has two of its own: one that makes a prediction, and one that takes three
steps of 32 images.
"""

import subprocess
import sys
from pathlib import Path

STEPS = 3


def most_bytes():
    """The most that this process has held at a time."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def serve(layout):
    """The peak before the first step and after the last, and the parameters after the first."""
    import nn_conv

    run, _ = nn_conv.torch_peer("net", "forward", 1, getattr(nn_conv.torch, layout))
    run()
    before = most_bytes()
    run, result = nn_conv.torch_peer("net", "train", 32, getattr(nn_conv.torch, layout))
    for _ in range(STEPS - 1):
        run()
    print(before, most_bytes(), *result)


def lines(threads):
    from compare import Line, Missing, Peer, Worker, close

    if threads > 1:
        return

    def ours():
        def ask(batch, steps):
            return Worker("nn-worker").time("net-memory", "automatic", batch, steps)

        before, (after, _), (_, first) = ask(1, 0)[0], ask(32, STEPS), ask(32, 1)
        return after - before, first

    def theirs(layout):
        def once():
            child = subprocess.run([sys.executable, __file__, "serve", layout], capture_output=True, text=True)
            if child.returncode:
                raise Missing(child.stderr.strip().splitlines()[-1])
            before, after, *first = map(float, child.stdout.split())
            return after - before, first
        return lambda: once

    yield Line("nn-core/net-train-memory/32", lambda: ours,
               [Peer("PyTorch", theirs("contiguous_format"), 1.0), Peer("PyTorch channels-last", theirs("channels_last"), 1.0)],
               close(1e-4), rounds=3, unit="B")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        layout = sys.argv[2]
        del sys.argv[1:]
        serve(layout)
    else:
        import compare

        compare.run(lines)
