"""nn-core's training steps of dense networks against PyTorch, JAX, candle and burn; see README.md."""

import compare
from compare import Lazy, Line, Peer, Worker, close, peak, timed, uniform

import numpy as np

torch, jax, jnp = Lazy("torch"), Lazy("jax"), Lazy("jax.numpy")
WORKER = Worker("nn-dense-worker")
# In the workspace `nn`: `LIBRARY NETWORK BATCH STEPS`, answered as our worker answers.
RUST, RUST_WORKER = ["candle", "burn"], Worker("nn-peers")

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
        self.loss = getattr(torch.nn.functional, "cross_entropy" if name == "mlp" else "mse_loss")
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

    def run(self, steps):
        with torch.no_grad():
            return self.descend(steps)

    def descend(self, steps):
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


def side(peer, name, batch, steps):
    """Seconds of a step, of so many from the same start; loss and parameters after them."""

    def make():
        made = peer(name, batch)

        def once():
            made.start()
            seconds, loss = timed(lambda: made.run(steps))
            return seconds / steps, made.answer(loss)
        return once
    return make


def worker(*request, worker=WORKER):
    """Seconds of a step, of as many as the request ends in."""

    def once():
        seconds, answer = worker.time(*request)
        return seconds / request[-1], answer
    return lambda: once


# Network, batch, steps in a timing; per number of threads the goals against PyTorch eager, by hand, JAX, and the best.
# Those for one thread are of issue 3, those for two of the table that it names.
ROWS = [
    ("mlp", 1, 200, {1: (0.11, None, None, 0.5), 2: (0.11, None, None, 0.5)}),
    ("mlp", 32, 60, {1: (0.55, None, None, 0.85), 2: (1 / 1.8, 1.0, 1 / 1.2, None)}),
    ("mlp", 128, 30, {1: (0.75, None, None, 0.9), 2: (1 / 1.35, None, 1 / 1.15, None)}),
    ("mlp", 1024, 6, {1: (0.87, None, None, 0.95), 2: (1 / 1.2, None, 1 / 1.05, None)}),
    ("tiny", 500, 100, {1: (0.035, None, None, None), 2: (0.035, None, None, None)}),
]


def lines(threads):
    if threads > 2:
        return
    for name, batch, steps, goals in ROWS:
        # After the rest that `compare` takes, threads may share a core for ten milliseconds and more until the system
        # moves one: several times what the first steps take, for every side.
        steps *= 5 if threads > 1 else 1
        peers = [Peer(peer.name, side(peer, name, batch, steps), goal)
                 for peer, goal in zip((Eager, ByHand, Jax), goals[threads])]
        if name == "tiny":
            peers.append(Peer(JaxLoop.name, side(JaxLoop, name, batch, steps), 0.45))
        peers += [Peer(library, worker(library, name, batch, steps, worker=RUST_WORKER)) for library in RUST]
        if name == "mlp":
            # Three products for each layer, two for the first, whose input needs no gradient.
            operations = batch * (6 * sum(a * b for a, b in zip(SIZES[name], SIZES[name][1:])) - 2 * 784 * 256)
            peers.append(peak(operations, 1 / 0.87 if batch == 1024 and threads == 1 else None))
        if threads > 1:
            peers.append(Peer("itself, one thread", worker(name, batch, steps, worker=Worker("nn-dense-worker", 1)), 1.0,
                              compared=False))
        # Loss and sum of sizes after the same steps in single precision; a peer's small loss is itself a difference of
        # numbers near 1.
        yield Line(f"nn-core/{name}/{batch}", worker(name, batch, steps), peers, close(1e-4, 1e-2), goals[threads][3])


if __name__ == "__main__":
    compare.pin()  # JAX's own pool has a thread for every processor that the process may use
    compare.run(lines)
