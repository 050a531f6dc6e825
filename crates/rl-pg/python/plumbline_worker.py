"""Serves a Python simulator to the Rust crate rl-pg over standard input and output.

    from plumbline_worker import serve  # before other imports: from here on prints go to standard error

    def rollout(context, action, seed):
        miss = sum((a - c) ** 2 for a, c in zip(action, context))
        return -miss, {"effort": sum(a * a for a in action)}  # or the reward alone

    serve(rollout, context=2, action=2, metrics=["effort"])

An exception fails that rollout, and the worker lives on. `serve_environment` takes a Gymnasium environment.
The protocol is in the documentation of rl_pg::process. Python 3.8 or newer and its standard library.
"""
import json
import os
import struct
import sys
import time
import traceback

_requests, _answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # input() must not eat requests,
os.dup2(2, 1)  # nor a print, even C's, get among the answers
sys.stdout = sys.stderr
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_decode = json.JSONDecoder().raw_decode


def _say(message):
    _answers.write(_encode(message).encode() + b"\n")
    _answers.flush()


def _failure(error):
    traceback.print_exc()
    return {"error": f"{type(error).__name__}: {error}", "retry": isinstance(error, (OSError, MemoryError))}


def serve(rollout, context, action, metrics=(), name="simulator", deterministic=True, batch=64, binary=False):
    """Answers with `rollout(context, action, seed)`, a reward or (reward, dict of metrics), until the input ends."""
    def run(context, action, seed):
        result = rollout(context, action, seed)
        reward, values = result if isinstance(result, tuple) else (result, {})
        return float(reward), [float(values[metric]) for metric in metrics]

    _say({"hello": name, "proto": 1, "context": context, "action": action, "metrics": list(metrics),
          "deterministic": deterministic, "batch": batch, "encoding": "binary" if binary else "json"})
    request, done = struct.Struct(f"<QQ{context + action}d"), struct.Struct(f"<IQQd{len(metrics)}d")
    while binary and len(length := _requests.read(4)) == 4:
        answers = []
        for number, seed, *numbers in request.iter_unpack(_requests.read(int.from_bytes(length, "little"))):
            try:
                reward, values = run(numbers[:context], numbers[context:], seed)
                answers.append(done.pack(done.size - 4, number, 0, reward, *values))
            except Exception as error:
                said = _failure(error)
                text = said["error"].encode()
                answers.append(struct.pack("<IQQ", 16 + len(text), number, 1 if said["retry"] else 2) + text)
        _answers.write(b"".join(answers))
        _answers.flush()
    for line in () if binary else _requests:
        requests, _ = _decode(line.decode())
        answers, due = [], time.monotonic() + 0.1
        for request in requests if isinstance(requests, list) else [requests]:
            try:
                reward, values = run(request["context"], request["action"], request["seed"])
                answers.append({"id": request["id"], "reward": reward, "metrics": values})
            except Exception as error:
                answers.append({"id": request["id"], **_failure(error)})
            if time.monotonic() > due:  # a slow simulator is heard after each rollout, a fast one once
                _say(answers)
                answers, due = [], time.monotonic() + 0.1
        if answers:
            _say(answers)


def serve_environment(environment, name="environment"):
    """Answers for a Gymnasium environment with flat observations and Discrete or flat Box actions."""
    space = environment.action_space
    shape = {"actions": int(space.n)} if hasattr(space, "n") else {"action": space.shape[0]}
    _say({"hello": name, "proto": 1, "observation": environment.observation_space.shape[0], **shape})
    for line in _requests:
        request, _ = _decode(line.decode())
        answer = {"id": request["id"]}
        try:
            if "reset" in request:
                observation, _ = environment.reset(seed=request["reset"])
            else:
                action = space.sample()
                if "actions" in shape:
                    action = int(space.start) + request["action"]
                else:
                    action[:] = request["action"]
                observation, reward, terminated, truncated, _ = environment.step(action)
                end = "terminated" if terminated else "truncated" if truncated else None
                answer.update(reward=float(reward), end=end)
            answer["observation"] = [float(number) for number in observation]
        except Exception as error:
            answer.update(_failure(error))
        _say(answer)
