"""Times training steps of dense networks against PyTorch and JAX in one run; see README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--only", default="", help="rows whose name contains this")
arguments = parser.parse_args()
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = str(arguments.threads)
# JAX's own pool has a thread for every processor that the process may use.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])

import numpy as np  # noqa: E402  (after the number of threads is set)
import torch  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

torch.set_num_threads(arguments.threads)
F = torch.nn.functional


def uniform(seed, count):
    """Uniform on [-1/2, 1/2) by SplitMix64, as benches::uniform makes it."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)) * 2.0**-53 - 0.5


SIZES = {"mlp": [784, 256, 128, 10], "tiny": [2, 8, 1]}
RATES = {"mlp": 0.01, "tiny": 0.05}


def problem(name, batch):
    """Weights [out, in], biases, inputs [batch, in] and targets, as the worker makes them."""
    sizes = SIZES[name]
    weights = []
    for layer, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        numbers = uniform(10 + layer, outputs * inputs) * (2 * np.sqrt(3 / inputs))
        weights.append(numbers.astype(np.float32).reshape(inputs, outputs).T.copy())
    biases = [np.zeros(n, np.float32) for n in sizes[1:]]
    x = (2 * uniform(1, sizes[0] * batch)).astype(np.float32).reshape(batch, sizes[0])
    if name == "mlp":
        return weights, biases, x, (7 * np.arange(batch)) % 10
    return weights, biases, x, (x[:, :1] * x[:, -1:]).astype(np.float32)


def answer(loss, parameters):
    return [float(loss), float(sum(np.abs(np.asarray(p, dtype=np.float64)).sum() for p in parameters))]


class Eager:
    """PyTorch as everybody writes it."""

    name = "PyTorch eager"

    def __init__(self, name, batch):
        self.weights, self.biases, x, t = problem(name, batch)
        activation = torch.nn.ReLU if name == "mlp" else torch.nn.Tanh
        layers = []
        for w in self.weights:
            layers += [torch.nn.Linear(w.shape[1], w.shape[0]), activation()]
        self.net = torch.nn.Sequential(*layers[:-1])
        self.x, self.t = torch.from_numpy(x), torch.from_numpy(t)
        self.loss = F.cross_entropy if name == "mlp" else F.mse_loss
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=RATES[name])

    def start(self):
        given = [p for pair in zip(self.weights, self.biases) for p in pair]
        with torch.no_grad():
            for p, value in zip(self.net.parameters(), given, strict=True):
                p.copy_(torch.from_numpy(value))

    def run(self, steps):
        for _ in range(steps):
            self.optimizer.zero_grad()
            loss = self.loss(self.net(self.x), self.t)
            loss.backward()
            self.optimizer.step()
        return loss

    def answer(self, loss):
        return answer(loss.detach(), [p.detach() for p in self.net.parameters()])


class ByHand:
    """PyTorch with the gradients written out, without autograd."""

    name = "PyTorch by hand"

    def __init__(self, name, batch):
        self.given = problem(name, batch)
        self.mlp, self.rate = name == "mlp", RATES[name]
        self.x, self.t = torch.from_numpy(self.given[2]), torch.from_numpy(self.given[3])
        self.rows = torch.arange(batch)

    def start(self):
        self.w = [torch.from_numpy(w.copy()) for w in self.given[0]]
        self.b = [torch.from_numpy(b.copy()) for b in self.given[1]]

    @torch.no_grad()
    def run(self, steps):
        w, b, n = self.w, self.b, len(self.x)
        for _ in range(steps):
            a = [self.x]
            for layer in range(len(w)):
                z = torch.addmm(b[layer], a[-1], w[layer].t())
                last = layer == len(w) - 1
                a.append(z if last else (z.relu_() if self.mlp else z.tanh_()))
            if self.mlp:
                p = torch.log_softmax(a[-1], 1)
                loss = -p[self.rows, self.t].mean()
                d = p.exp_()
                d[self.rows, self.t] -= 1
                d /= n
            else:
                d = a[-1] - self.t
                loss = (d * d).mean()
                d *= 2 / n
            for layer in reversed(range(len(w))):
                dw, db = d.t() @ a[layer], d.sum(0)
                if layer > 0:
                    d = d @ w[layer]
                    d *= (a[layer] > 0) if self.mlp else 1 - a[layer] ** 2
                w[layer].sub_(dw, alpha=self.rate)
                b[layer].sub_(db, alpha=self.rate)
        return loss

    def answer(self, loss):
        return answer(loss, self.w + self.b)


class Jax:
    """JAX, one compiled step with donated parameters; for the tiny network also the whole loop."""

    name = "JAX jit"

    def __init__(self, name, batch):
        self.given = problem(name, batch)
        self.x, self.t = jnp.asarray(self.given[2]), jnp.asarray(self.given[3])
        rate = RATES[name]

        def loss(parameters, x, t):
            for layer, (w, b) in enumerate(parameters):
                z = x @ w + b
                x = z if layer == len(parameters) - 1 else (jax.nn.relu(z) if name == "mlp" else jnp.tanh(z))
            if name == "mlp":
                return -jnp.take_along_axis(jax.nn.log_softmax(x), t[:, None], 1).mean()
            return ((x - t) ** 2).mean()

        def step(parameters, x, t):
            value, gradient = jax.value_and_grad(loss)(parameters, x, t)
            return value, jax.tree.map(lambda p, g: p - rate * g, parameters, gradient)

        self.step = jax.jit(step, donate_argnums=0)

    def start(self):
        self.p = [(jnp.asarray(w.T), jnp.asarray(b)) for w, b in zip(*self.given[:2])]
        jax.block_until_ready(self.p)

    def run(self, steps):
        for _ in range(steps):
            value, self.p = self.step(self.p, self.x, self.t)
        jax.block_until_ready(self.p)
        return value

    def answer(self, loss):
        return answer(loss, [p for pair in self.p for p in pair])


class JaxLoop(Jax):
    """All steps in one compiled loop."""

    name = "JAX fused loop"

    def __init__(self, name, batch):
        super().__init__(name, batch)
        step = self.step

        def loop(parameters, x, t, steps):
            body = lambda _, state: step(state[1], x, t)
            return jax.lax.fori_loop(0, steps, body, (jnp.float32(0), parameters))

        self.loop = jax.jit(loop)

    def run(self, steps):
        value, self.p = self.loop(self.p, self.x, self.t, steps)
        jax.block_until_ready(self.p)
        return value


class Worker:
    """Our side, in a process of its own."""

    def __init__(self):
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.process = subprocess.Popen(
            [target / "release" / "nn-dense-worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def time(self, name, batch, steps):
        self.process.stdin.write(f"{name} {batch} {steps}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().split()
        if not line:
            sys.exit(f"the worker ended at {name} {batch}")
        return float(line[0]), [float(x) for x in line[1:]]


def peer_time(peer, steps):
    peer.start()
    start = time.perf_counter()
    loss = peer.run(steps)
    return time.perf_counter() - start, peer.answer(loss)


def agree(ours, theirs):
    # Loss and sum of sizes after the same steps in single precision; a peer's small loss is itself
    # a difference of numbers near 1.
    return all(abs(a - b) <= 1e-4 * max(abs(b), 1e-2) for a, b in zip(ours, theirs, strict=True))


# name, batch, steps in a timing, peers
ROWS = [
    ("mlp", 1, 200, [Eager, ByHand, Jax]),
    ("mlp", 32, 60, [Eager, ByHand, Jax]),
    ("mlp", 128, 30, [Eager, ByHand, Jax]),
    ("mlp", 1024, 6, [Eager, ByHand, Jax]),
    ("tiny", 500, 100, [Eager, ByHand, Jax, JaxLoop]),
]


def main():
    worker = Worker()
    rows = []
    print(f"{'a step':<14}{'ours':>11}  " + "".join(f"{'ratio to':>27}" for _ in range(1)))
    for name, batch, steps, peers in ROWS:
        if arguments.only not in f"{name}/{batch}":
            continue
        peers = [peer(name, batch) for peer in peers]
        _, ours = worker.time(name, batch, steps)
        for peer in peers:
            _, theirs = peer_time(peer, steps)
            if not agree(ours, theirs):
                sys.exit(f"{name}/{batch}: ours {ours} and those of {peer.name} {theirs} differ")
        pairs = {peer.name: [] for peer in peers}
        mine = []
        for _ in range(arguments.rounds):
            for peer in peers:
                a = worker.time(name, batch, steps)[0] / steps
                b = peer_time(peer, steps)[0] / steps
                pairs[peer.name].append((a, b))
                mine.append(a)
        line = f"{name + '/' + str(batch):<12}{statistics.median(mine) * 1e6:>10.1f}us"
        for peer, times in pairs.items():
            ratios = [a / b for a, b in times]
            rows.append({
                "id": f"nn-dense/{name}/{batch}", "peer": peer,
                "ours_s": statistics.median(a for a, _ in times), "peer_s": statistics.median(b for _, b in times),
                "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
                "threads": arguments.threads, "same_result": True,
            })
            line += f"   {peer} {rows[-1]['peer_s'] * 1e6:.1f}us {rows[-1]['ratio']:.3f} ({min(ratios):.3f}-{max(ratios):.3f})"
        print(line, flush=True)
    out = ROOT / "target" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / f"nn_dense-{arguments.threads}.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
