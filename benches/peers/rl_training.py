"""Training on CartPole-v1 by rl-pg, stable-baselines3's PPO and a plain PyTorch REINFORCE; see README.md.

One thread each, in processor seconds for a step of the environment, the update's share included. The three learn by
methods of their own, so what is compared is how long a step takes, and of each side that it learned something.
"""

import itertools
import statistics
import time

import compare
from compare import Lazy, Line, Peer, Worker

import numpy as np

gymnasium, torch = Lazy("gymnasium"), Lazy("torch")
stable_baselines3, environments = Lazy("stable_baselines3"), Lazy("stable_baselines3.common.env_util")
WORKER = Worker("rl-worker")
STEPS = 60_000


def ours():
    seeds = itertools.count(1)

    def once():
        seconds, (mean,) = WORKER.time("train", STEPS, next(seeds))
        return seconds / STEPS, [mean]
    return once


def with_ppo(steps, seed):
    """The settings of rl-baselines3-zoo for CartPole-v1."""
    env = environments.make_vec_env("CartPole-v1", n_envs=8, seed=seed)
    model = stable_baselines3.PPO(
        "MlpPolicy", env, n_steps=32, batch_size=256, gae_lambda=0.8, gamma=0.98, n_epochs=20, ent_coef=0.0,
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


def side(train):
    """From another seed each time, for a third of the steps."""

    def make():
        seeds = itertools.count(1)

        def once():
            seconds, mean = train(STEPS // 3, next(seeds))
            return seconds, [mean]
        return once
    return make


def lines(threads):
    if threads == 1:
        # A rod that is let fall stands for about 20 steps.
        yield Line("rl-pg/cart-pole-training/60000", ours,
                   [Peer("stable-baselines3's PPO", side(with_ppo), 1 / 50),
                    Peer("PyTorch by hand, REINFORCE", side(with_torch), 1 / 15)],
                   lambda ours, theirs: min(ours[0], theirs[0]) >= 40, rounds=5)


if __name__ == "__main__":
    compare.run(lines)
