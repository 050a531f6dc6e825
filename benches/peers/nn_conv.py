"""Times nn-core's convolution network against PyTorch and ONNX Runtime in one run; see README.md."""

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
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--only", default="", help="rows whose name contains this")
parser.add_argument("--memory", action="store_true",
                    help="instead: the most memory of training steps of 32 images, process by process")
parser.add_argument("--memory-of", default="", help=argparse.SUPPRESS)
arguments = parser.parse_args()
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = str(arguments.threads)

import numpy as np  # noqa: E402  (after the number of threads is set)
import onnx  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(arguments.threads)


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
}


def network(part):
    """The network with our parameters, permuted to PyTorch's order."""
    _, sizes = PARTS[part]
    count = sum(9 * c * f + f for c, f in sizes) + (14 * 14 * 64 * 10 + 10 if part == "net" else 0)
    theta = single(9, count, 0.2)
    at = 0

    def take(length):
        nonlocal at
        at += length
        return theta[at - length:at]

    modules = []
    with torch.no_grad():
        for channels, filters in sizes:
            convolution = torch.nn.Conv2d(channels, filters, 3)
            weight = take(9 * channels * filters).reshape(3, 3, channels, filters)
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


def probe(tensors):
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
        return run, probe(run())
    if what == "train":
        labels = torch.arange(batch) % 10
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

        def run():
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), labels).backward()
            optimizer.step()
        run()
        return run, probe(model.parameters())
    x.requires_grad_(what == "input")
    model.requires_grad_(what == "weights")
    y = model(x)
    size = y.shape
    dy = images(2, batch, size[1], size[3], size[2]).to(memory_format=memory_format)
    wanted = list(model.parameters()) if what == "weights" else [x]

    def run():
        return torch.autograd.grad(y, wanted, dy, retain_graph=True)
    return run, probe(run())


def onnx_peer(part, batch):
    (channels, width, height), sizes = PARTS[part]
    helper = onnx.helper
    names = [f"p{i}" for i in range(2 * len(sizes) + 2)]
    nodes, value = [], "x"
    for i, _ in enumerate(sizes):
        nodes.append(helper.make_node("Conv", [value, names[2 * i], names[2 * i + 1]], [f"c{i}"],
                                      kernel_shape=[3, 3]))
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
    return run, probe([torch.from_numpy(run()[0])])


class Worker:
    """Our side, in a process of its own."""

    def __init__(self):
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.process = subprocess.Popen(
            [target / "release" / "nn-worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def time(self, operation, algorithm, batch, repetitions):
        self.process.stdin.write(f"{operation} {algorithm} {batch} {repetitions}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            sys.exit(f"the worker ended at {operation} {algorithm} {batch}")
        return float(answer[0]), [float(x) for x in answer[1:]]


def peer_time(run, repetitions):
    """The least seconds of a repetition, as the worker takes it."""
    best = float("inf")
    for _ in range(repetitions):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    if arguments.threads > 1:
        # OpenMP's threads spin for a while after a call, on the cores that the other side needs.
        time.sleep(0.3)
    return best


def most_bytes():
    """The most memory that this process has held at a time."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    sys.exit("the system tells no peak of memory")


MEMORY_STEPS = 3


def memory_of(layout):
    """In a process of its own: the peak before the first step and after three, and the parameters."""
    run, _ = torch_peer("net", "forward", 1, layout)
    run()
    before = most_bytes()
    run, result = torch_peer("net", "train", 32, layout)
    for _ in range(MEMORY_STEPS - 1):
        run()
    print(before, most_bytes(), *result)


def memory():
    """Peaks of whole processes, and of what training adds to a process that has made a prediction."""
    def ours(operation, batch, steps):
        # A peak belongs to a process: each question has its own.
        return Worker().time(f"net-{operation}", "automatic", batch, steps)

    before, _ = ours("memory", 1, 0)
    after, found = ours("memory", 32, MEMORY_STEPS)
    _, first_step = ours("memory", 32, 1)
    print(f"{'process':<22}{'before':>10}{'peak':>10}{'added':>10}  (MB; training steps of 32 images)")
    rows = [("ours", before, after)]
    for name, layout in (("torch", "contiguous"), ("torch channels_last", "channels_last")):
        child = subprocess.run(
            [sys.executable, __file__, "--threads", str(arguments.threads), "--memory-of", layout],
            capture_output=True, text=True, check=True)
        start, peak, *expected = (float(x) for x in child.stdout.split())
        if not agree(first_step, expected):
            sys.exit(f"memory: ours {first_step} and {name}'s {expected} differ")
        rows.append((name, start, peak))
    for name, start, peak in rows:
        print(f"{name:<22}{start / 1e6:>10.1f}{peak / 1e6:>10.1f}{(peak - start) / 1e6:>10.1f}")
    assert all(abs(x) < float("inf") for x in found)
    out = ROOT / "target" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "nn_conv_memory.json").write_text(json.dumps(
        [{"process": name, "before": start, "peak": peak} for name, start, peak in rows], indent=1) + "\n")


def agree(ours, theirs):
    return all(abs(a - b) <= 1e-4 * max(abs(b), 1e-30) for a, b in zip(ours, theirs, strict=True))


def main():
    if arguments.memory_of:
        layouts = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
        return memory_of(layouts[arguments.memory_of])
    if arguments.memory:
        return memory()
    worker = Worker()
    rows = []
    operations = [("net", "forward"), ("net", "train"), ("first", "forward"), ("first", "weights"),
                  ("second", "forward"), ("second", "weights"), ("second", "input")]
    print(f"{'operation':<22}{'ours':<12}{'peer':<22}{'ours':>10}{'peer':>10}"
          f"{'ratio':>7}{'min':>6}{'max':>6}")
    for part, what in operations:
        for batch in (1, 32):
            name = f"{part}-{what}/{batch}"
            if arguments.only not in name:
                continue
            repetitions = 20 if batch == 1 else 3
            peers = {
                "torch": lambda: torch_peer(part, what, batch, torch.contiguous_format),
                "torch channels_last": lambda: torch_peer(part, what, batch, torch.channels_last),
            }
            if what == "forward":
                peers["onnxruntime"] = lambda: onnx_peer(part, batch)
            algorithms = ["automatic"] if part == "first" else ["automatic", "direct"]
            for peer, make in peers.items():
                run, expected = make()
                for algorithm in algorithms:
                    _, found = worker.time(f"{part}-{what}", algorithm, batch, 1)
                    if not agree(found, expected):
                        sys.exit(f"{name}: ours {found} and {peer}'s {expected} differ")
                    pairs = [(worker.time(f"{part}-{what}", algorithm, batch, repetitions)[0],
                              peer_time(run, repetitions)) for _ in range(arguments.rounds)]
                    ratios = [a / b for a, b in pairs]
                    row = {
                        "id": f"conv-{name}-{algorithm}", "peer": peer,
                        "ours_s": min(a for a, _ in pairs), "peer_s": min(b for _, b in pairs),
                        "ratio": statistics.median(ratios), "ratio_min": min(ratios),
                        "ratio_max": max(ratios), "threads": arguments.threads, "same_result": True,
                    }
                    rows.append(row)
                    print(f"{name:<22}{algorithm:<12}{peer:<22}{row['ours_s'] * 1e6:>8.0f}us"
                          f"{row['peer_s'] * 1e6:>8.0f}us{row['ratio']:>7.2f}{row['ratio_min']:>6.2f}"
                          f"{row['ratio_max']:>6.2f}", flush=True)
    out = ROOT / "target" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / f"nn_conv_{arguments.threads}.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
