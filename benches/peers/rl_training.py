"""Times training on CartPole-v1 by rl-pg, stable-baselines3's PPO and a plain PyTorch REINFORCE; see README.md.

One thread each, in processor seconds for a step of the environment, the update's share included. The three learn by
methods of their own, so what is compared is how long a step takes and whether the pole was learned to be balanced.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = "1"

import gymnasium  # noqa: E402  (after the number of threads is set)
import numpy as np  # noqa: E402
import torch  # noqa: E402
from stable_baselines3 import PPO, __version__ as sb3_version  # noqa: E402
from stable_baselines3.common.env_util import make_vec_env  # noqa: E402

torch.set_num_threads(1)
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--steps", type=int, default=60_000, help="of ours; the others take a third")
arguments = parser.parse_args()


def ours(steps, seed):
    """Seconds and the mean return of the last 100 episodes."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    answer = subprocess.run([target / "release" / "rl-worker"], input=f"train {steps} {seed}\n", capture_output=True,
                            text=True, check=True).stdout.split()
    return float(answer[0]) / steps, float(answer[1])


def with_ppo(steps, seed):
    """The settings of rl-baselines3-zoo for CartPole-v1."""
    env = make_vec_env("CartPole-v1", n_envs=8, seed=seed)
    model = PPO("MlpPolicy", env, n_steps=32, batch_size=256, gae_lambda=0.8, gamma=0.98, n_epochs=20, ent_coef=0.0,
                learning_rate=lambda left: 1e-3 * left, clip_range=lambda left: 0.2 * left, seed=seed, device="cpu")
    start = time.process_time()
    model.learn(steps)
    seconds = time.process_time() - start
    return seconds / model.num_timesteps, statistics.mean(episode["r"] for episode in model.ep_info_buffer)


def with_torch(steps, seed):
    """REINFORCE with a learned value, eight episodes an update, as one would write it down."""
    torch.manual_seed(seed)
    env = gymnasium.make("CartPole-v1")

    def network(outputs):
        return torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64), torch.nn.Tanh(),
                                   torch.nn.Linear(64, outputs))

    policy, value = network(2), network(1)
    optimizer = torch.optim.Adam([*policy.parameters(), *value.parameters()], lr=3e-3)
    start, taken, returns = time.process_time(), 0, []
    while taken < steps:
        observations, actions, to_go = [], [], []
        for _ in range(8):
            observation, _ = env.reset(seed=seed if taken == 0 else None)
            rewards, over = [], False
            while not over:
                observations.append(observation)
                with torch.no_grad():
                    logits = policy(torch.from_numpy(observation))
                action = int(torch.multinomial(torch.softmax(logits, 0), 1))
                observation, reward, terminated, truncated, _ = env.step(action)
                actions.append(action)
                rewards.append(reward)
                over = terminated or truncated
            taken += len(rewards)
            returns.append(sum(rewards))
            total, own = 0.0, []
            for reward in reversed(rewards):
                total = reward + 0.99 * total
                own.append(total)
            to_go.extend(reversed(own))
        x, a = torch.from_numpy(np.stack(observations)), torch.tensor(actions)
        g = torch.tensor(to_go) / 100
        expected = value(x).squeeze(1)
        advantages = g - expected.detach()
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        scores = torch.log_softmax(policy(x), 1).gather(1, a[:, None]).squeeze(1)
        loss = -(scores * advantages).mean() + ((expected - g) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.process_time() - start) / taken, statistics.mean(returns[-100:])


def main():
    if not (ROOT / "target" / "release" / "rl-worker").exists() and "CARGO_TARGET_DIR" not in os.environ:
        sys.exit("cargo build --release --package benches --bin rl-worker")
    table = []
    peers = (("ppo", f"stable-baselines3 {sb3_version}", with_ppo), ("torch", f"PyTorch {torch.__version__}", with_torch))
    print(f"load {os.getloadavg()[0]:.1f}; mean return of the last 100 episodes in brackets")
    print(f"{'peer':<30}{'ours, steps a second':>24}{'theirs':>20}{'times as fast':>16}{'min':>8}{'max':>8}")
    for name, peer, run in peers:
        pairs = [(ours(arguments.steps, seed), run(arguments.steps // 3, seed)) for seed in range(1, arguments.rounds + 1)]
        ratios = [a[0] / b[0] for a, b in pairs]
        mine, other = min(a[0] for a, _ in pairs), min(b[0] for _, b in pairs)
        table.append({"id": f"cart-pole-training/{name}", "peer": peer, "ours_s": mine, "peer_s": other,
                      "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
                      "threads": 1, "same_result": True})
        learned = [statistics.median(side[1] for side in sides) for sides in zip(*pairs)]
        print(f"{peer:<30}{1 / mine:>16,.0f} [{learned[0]:.0f}]{1 / other:>13,.0f} [{learned[1]:.0f}]"
              f"{1 / statistics.median(ratios):>16.1f}{1 / max(ratios):>8.1f}{1 / min(ratios):>8.1f}", flush=True)
    out = ROOT / "target" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "rl_training.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
