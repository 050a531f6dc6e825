"""A robot arm's hand, learned with PyTorch: the network that examples/loaded_network.rs inverts.

Two joints, upper arm 1 and forearm 0.8 long; the network maps (shoulder, elbow) in radians to the hand's
(x, y), trained on random poses. Writes arm.safetensors next to this file, under the names that
torch.nn.Sequential gives.

    pip install torch safetensors numpy && python arm.py
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(1)
torch.set_num_threads(1)


def hand(angles):
    shoulder, elbow = angles.T
    return torch.stack(
        [shoulder.cos() + 0.8 * (shoulder + elbow).cos(), shoulder.sin() + 0.8 * (shoulder + elbow).sin()], dim=1
    )


# The shoulder turns by up to 90 degrees either way, the elbow by up to 150.
reach = torch.tensor([1.6, 2.6])
network = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2))
steps = 6000
optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
for _ in range(steps):
    angles = (2 * torch.rand(256, 2) - 1) * reach
    loss = nn.functional.mse_loss(network(angles), hand(angles))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()

path = Path(__file__).with_name("arm.safetensors")
save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
print(f"mean square error {loss.item():.1e}, {path.stat().st_size} bytes")
