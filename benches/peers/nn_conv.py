"""nn-core's convolution networks against PyTorch, ONNX Runtime, candle and burn; see README.md."""

import compare
from compare import Lazy, Line, Peer, Worker, arguments, close, peak, timed, uniform

import numpy as np

torch, onnx, onnxruntime = Lazy("torch"), Lazy("onnx"), Lazy("onnxruntime")
WORKER = Worker("nn-worker")
# In the workspace `nn`: `LIBRARY OPERATION BATCH REPETITIONS`, answered as our worker answers.
RUST, RUST_WORKER = ["candle", "burn"], Worker("nn-peers")


def single(seed, count, scale=1.0):
    return (scale * uniform(seed, count)).astype(np.float32)


def images(seed, batch, channels, width, height):
    """Columns of images, the channel fastest, as a batch of PyTorch's."""
    x = single(seed, batch * channels * width * height)
    return torch.from_numpy(np.ascontiguousarray(
        x.reshape(batch, height, width, channels).transpose(0, 3, 1, 2)))


PARTS = {
    # input, then (channels, filters) of each convolution
    "net": ((3, 64, 64), [(3, 32), (32, 64)]),
    "first": ((3, 64, 64), [(3, 32)]),
    "second": ((32, 31, 31), [(32, 64)]),
    "grouped": ((32, 31, 31), [(32, 64)]),
}
GROUPS = {"grouped": 8}


def network(part):
    """The network with our parameters, permuted to PyTorch's order."""
    (_, sizes), groups = PARTS[part], GROUPS.get(part, 1)
    count = sum(9 * c // groups * f + f for c, f in sizes) + (14 * 14 * 64 * 10 + 10 if part == "net" else 0)
    theta = single(9, count, 0.2)
    at = 0

    def take(length):
        nonlocal at
        at += length
        return theta[at - length:at]

    modules = []
    with torch.no_grad():
        for channels, filters in sizes:
            convolution = torch.nn.Conv2d(channels, filters, 3, groups=groups)
            weight = take(9 * channels // groups * filters).reshape(3, 3, channels // groups, filters)
            convolution.weight.copy_(torch.from_numpy(weight.transpose(3, 2, 0, 1).copy()))
            convolution.bias.copy_(torch.from_numpy(take(filters).copy()))
            modules.append(convolution)
            if part == "net":
                modules += [torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
        if part == "net":
            dense = torch.nn.Linear(14 * 14 * 64, 10)
            weight = take(14 * 14 * 64 * 10).reshape(14, 14, 64, 10).transpose(3, 2, 0, 1)
            dense.weight.copy_(torch.from_numpy(weight.reshape(10, -1).copy()))
            dense.bias.copy_(torch.from_numpy(take(10).copy()))
            modules += [torch.nn.Flatten(), dense]
    return torch.nn.Sequential(*modules)


def numbers(tensors):
    """A few numbers that a wrong answer would not have."""
    values = [t.detach().double().abs() for t in tensors]
    return [float(sum(v.sum() for v in values)), float(max(v.max() for v in values))]


def torch_peer(part, what, batch, memory_format):
    """A function to be timed, and the probe of its result."""
    (channels, width, height), _ = PARTS[part]
    model = network(part).to(memory_format=memory_format)
    x = images(1, batch, channels, width, height).to(memory_format=memory_format)
    if what == "forward":
        def run():
            with torch.inference_mode():
                return [model(x)]
        return run, numbers(run())
    if what == "train":
        labels = torch.arange(batch) % 10
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

        def run():
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), labels).backward()
            optimizer.step()
        run()
        return run, numbers(model.parameters())
    x.requires_grad_(what == "input")
    model.requires_grad_(what == "weights")
    y = model(x)
    size = y.shape
    dy = images(2, batch, size[1], size[3], size[2]).to(memory_format=memory_format)
    wanted = list(model.parameters()) if what == "weights" else [x]

    def run():
        return torch.autograd.grad(y, wanted, dy, retain_graph=True)
    return run, numbers(run())


def onnx_peer(part, batch):
    (channels, width, height), sizes = PARTS[part]
    helper = onnx.helper
    names = [f"p{i}" for i in range(2 * len(sizes) + 2)]
    nodes, value = [], "x"
    for i, _ in enumerate(sizes):
        nodes.append(helper.make_node("Conv", [value, names[2 * i], names[2 * i + 1]], [f"c{i}"],
                                      kernel_shape=[3, 3], group=GROUPS.get(part, 1)))
        value = f"c{i}"
        if part == "net":
            nodes.append(helper.make_node("Relu", [value], [f"r{i}"]))
            nodes.append(helper.make_node("MaxPool", [f"r{i}"], [f"m{i}"], kernel_shape=[2, 2],
                                          strides=[2, 2]))
            value = f"m{i}"
    if part == "net":
        nodes.append(helper.make_node("Flatten", [value], ["flat"]))
        nodes.append(helper.make_node("Gemm", ["flat", *names[-2:]], ["y"], transB=1))
        value = "y"
    weights = [onnx.numpy_helper.from_array(p.detach().numpy(), name)
               for p, name in zip(network(part).parameters(), names)]
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("x", kind, ["n", channels, height, width])],
        [helper.make_tensor_value_info(value, kind, None)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    x = {"x": images(1, batch, channels, width, height).numpy()}

    def run():
        return session.run(None, x)
    return run, numbers([torch.from_numpy(run()[0])])


def side(make, repetitions):
    """The least of so many, as the worker takes it."""

    def made():
        run, answer = make()
        return lambda: (timed(run, batches=repetitions)[0], answer)
    return made


def worker(*request, worker=WORKER):
    return lambda: lambda: worker.time(*request)


# Goals of issue 3 against channels-last and ONNX Runtime: operation, batch, threads.
GOALS = {
    ("net-forward", 1, 1): {"ONNX Runtime": 0.66}, ("net-forward", 32, 1): {"ONNX Runtime": 0.53},
    ("net-forward", 1, 2): {"ONNX Runtime": 0.77}, ("net-forward", 32, 2): {"ONNX Runtime": 0.66},
    ("net-train", 1, 1): {"PyTorch channels-last": 0.4}, ("net-train", 32, 1): {"PyTorch channels-last": 0.25},
}


def line(part, what, batch, algorithm, threads):
    operation, repetitions = f"{part}-{what}", 20 if batch == 1 else 3
    goals = GOALS.get((operation, batch, threads), {}) if algorithm == "automatic" else {}
    if algorithm == "direct" and threads == 1:
        # The direct form alone is to be ahead of oneDNN, which is what PyTorch runs.
        goals = {"PyTorch channels-last": 1.0}
    layouts = {"PyTorch": "contiguous_format", "PyTorch channels-last": "channels_last"}

    def torch_side(layout):
        return side(lambda: torch_peer(part, what, batch, getattr(torch, layout)), repetitions)

    peers = [Peer(name, torch_side(layout), goals.get(name)) for name, layout in layouts.items()]
    if what == "forward":
        peers.append(Peer("ONNX Runtime", side(lambda: onnx_peer(part, batch), repetitions), goals.get("ONNX Runtime")))
    if part == "net" and algorithm == "automatic":
        peers += [Peer(library, worker(library, operation, batch, repetitions, worker=RUST_WORKER)) for library in RUST]
    if threads > 1 and part == "net" and algorithm == "automatic":
        one = Worker("nn-worker", 1)
        peers.append(Peer("itself, one thread", worker(operation, algorithm, batch, repetitions, worker=one), 1.0,
                          compared=False))
    if part != "net":
        # As many for each of the three passes; Winograd's form needs fewer, and may be above the peak of the direct one.
        (channels, width, height), [(_, filters)] = PARTS[part]
        peers.append(peak(2 * 9 * channels // GROUPS.get(part, 1) * filters * (width - 2) * (height - 2) * batch))
    if part == "grouped":
        peers.append(Peer("itself, as products", worker(operation, "product", batch, repetitions)))
    name = operation if algorithm == "automatic" else f"{operation}-{algorithm}"
    return Line(f"nn-core/{name}/{batch}", worker(operation, algorithm, batch, repetitions), peers, close(1e-4))


def lines(threads):
    if threads > 2:
        return
    parts = {"net": ["forward", "train"], "first": ["forward", "weights"], "second": ["forward", "weights", "input"],
             "grouped": ["forward", "weights", "input"]}
    for part, whats in parts.items():
        for what in whats:
            for batch in (1, 32):
                for algorithm in ["automatic", "direct"] if part in ("net", "second") else ["automatic"]:
                    yield line(part, what, batch, algorithm, threads)


if __name__ == "__main__":
    compare.run(lines)
