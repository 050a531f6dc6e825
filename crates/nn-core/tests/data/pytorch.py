"""Networks of PyTorch in double precision, with their outputs, losses and gradients.

Writes pytorch.safetensors next to this file: for each network its weights under PyTorch's names, an input, a
target, and what PyTorch makes of them. tests/it/pytorch.rs builds the same networks and compares.

    pip install torch safetensors numpy && python pytorch.py
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(20)
torch.set_default_dtype(torch.float64)


class Permute(nn.Module):
    """From samples x channels x steps, as convolutions have it, to samples x steps x features."""

    def forward(self, x):
        return x.transpose(1, 2)


class Last(nn.Module):
    """The last step's state of a recurrent layer."""

    def forward(self, x):
        return x[0][:, -1]


class All(nn.Module):
    """All states, channels first again."""

    def forward(self, x):
        return x[0].transpose(1, 2)


class Channels(nn.Module):
    """A layer normalization over the channels of each place."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x):
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


def dense(*between):
    return nn.Sequential(nn.Linear(4, 5), *between, nn.Linear(5, 3))


flat, image, sequence = (4,), (2, 5, 6), (3, 7)  # PyTorch's order: channels, then y, then x
mse, classes = nn.MSELoss(), nn.CrossEntropyLoss()
weights = torch.tensor([1.0, 2.0, 0.5])

# name: (network, input, loss, kind of target)
networks = {
    "identity": (dense(), flat, mse, "values"),
    "relu": (dense(nn.ReLU()), flat, mse, "values"),
    "leaky": (dense(nn.LeakyReLU(0.1)), flat, mse, "values"),
    "elu": (dense(nn.ELU()), flat, mse, "values"),
    "gelu": (dense(nn.GELU()), flat, mse, "values"),
    "gelu_tanh": (dense(nn.GELU(approximate="tanh")), flat, mse, "values"),
    "silu": (dense(nn.SiLU()), flat, mse, "values"),
    "softplus": (dense(nn.Softplus()), flat, mse, "values"),
    "sigmoid": (dense(nn.Sigmoid()), flat, mse, "values"),
    "tanh": (dense(nn.Tanh()), flat, mse, "values"),
    "softmax": (dense(nn.Softmax(dim=1)), flat, mse, "values"),
    "layer_norm": (dense(nn.LayerNorm(5)), flat, mse, "values"),
    "batch_norm": (dense(nn.BatchNorm1d(5)), flat, mse, "values"),
    "absolute": (dense(nn.Tanh()), flat, nn.L1Loss(), "values"),
    "huber": (dense(nn.Tanh()), flat, nn.HuberLoss(delta=0.7), "values"),
    "binary": (dense(nn.Tanh()), flat, nn.BCEWithLogitsLoss(), "bits"),
    "classes": (dense(nn.Tanh()), flat, classes, "labels"),
    "weighted": (dense(nn.Tanh()), flat, nn.CrossEntropyLoss(weights), "labels"),
    "smoothed": (dense(nn.Tanh()), flat, nn.CrossEntropyLoss(weights, label_smoothing=0.1), "labels"),
    "ignored": (dense(nn.Tanh()), flat, nn.CrossEntropyLoss(ignore_index=1), "labels"),
    "conv": (nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(36, 3)), image, mse, "values"),
    "conv_options": (
        nn.Sequential(
            nn.Conv2d(2, 4, (2, 3), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(4 * 3 * 6, 3),
        ),
        image,
        classes,
        "labels",
    ),
    "max_pool": (
        nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 3)),
        image,
        classes,
        "labels",
    ),
    "average_pool": (
        nn.Sequential(nn.Conv2d(2, 3, 2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 3)),
        image,
        mse,
        "values",
    ),
    "image_norms": (
        nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), Channels(3), nn.Flatten(), nn.Linear(60, 3)),
        image,
        mse,
        "values",
    ),
    "conv1d": (
        nn.Sequential(nn.Conv1d(3, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(28, 3)),
        sequence,
        mse,
        "values",
    ),
    "elman": (
        nn.Sequential(Permute(), nn.RNN(3, 4, batch_first=True), Last(), nn.Linear(4, 3)),
        sequence,
        mse,
        "values",
    ),
    "gru": (
        nn.Sequential(Permute(), nn.GRU(3, 4, batch_first=True), Last(), nn.Linear(4, 3)),
        sequence,
        mse,
        "values",
    ),
    "lstm": (
        nn.Sequential(Permute(), nn.LSTM(3, 4, batch_first=True), Last(), nn.Linear(4, 3)),
        sequence,
        classes,
        "labels",
    ),
    "lstm_all": (
        nn.Sequential(Permute(), nn.LSTM(3, 2, batch_first=True), All(), nn.Flatten(), nn.Linear(14, 3)),
        sequence,
        mse,
        "values",
    ),
}

samples = 6
tensors = {}
for name, (network, shape, loss, kind) in networks.items():
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.6)
    network.train()
    x = torch.randn(samples, *shape, requires_grad=True)
    target = {
        "values": torch.randn(samples, 3),
        "bits": torch.randint(0, 2, (samples, 3)).double(),
        "labels": torch.tensor([0, 1, 2, 1, 0, 2]),
    }[kind]
    start = {key: value.clone() for key, value in network.state_dict().items()}
    y = network(x)
    value = loss(y, target)
    value.backward()
    for key, tensor in start.items():
        tensors[f"{name}/state/{key}"] = tensor
    for key, parameter in network.named_parameters():
        tensors[f"{name}/gradient/{key}"] = parameter.grad
    tensors[f"{name}/x"] = x.detach()
    tensors[f"{name}/dx"] = x.grad
    tensors[f"{name}/y"] = y.detach()
    tensors[f"{name}/target"] = target.double()
    tensors[f"{name}/loss"] = value.detach()

path = Path(__file__).with_name("pytorch.safetensors")
save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path)
print(len(networks), "networks,", path.stat().st_size, "bytes")
