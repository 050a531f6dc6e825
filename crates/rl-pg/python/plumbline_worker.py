"""Serves a Python simulator to the Rust crate rl-pg over standard input and output.

    from plumbline_worker import serve  # before other imports: from here on prints go to standard error

    def rollout(context, action, seed):
        miss = sum((a - c) ** 2 for a, c in zip(action, context))
        return -miss, {"effort": sum(a * a for a in action)}  # or the reward alone

    serve(rollout, context=2, action=2, metrics=["effort"])

An exception fails that rollout, and the worker lives on. `serve_environment` takes a Gymnasium environment.
The protocol is in the documentation of rl_pg::process. Python 3.8 or newer and its standard library; where orjson
is installed it reads and writes the JSON, in a seventh of the time.
"""
import json
import os
import select
import struct
import sys
import time
import traceback

_input, _output = os.dup(0), os.dup(1)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # input() must not eat requests,
os.dup2(2, 1)  # nor a print, even C's, get among the answers
sys.stdout = sys.stderr
if hasattr(select, "poll"):
    _poll = select.poll()
    _poll.register(_input)
    _look = _poll.poll
else:
    _look = str  # finds something at once: to read it is to sleep
try:
    from orjson import dumps as _encode, loads as _decode
except ImportError:
    _text = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

    def _encode(message):
        return _text(message).encode()

    def _decode(line, _read=json.JSONDecoder().raw_decode):
        return _read(line.decode())[0]


def _write(message):
    while message:
        message = message[os.write(_output, message):]


def _come(watch):
    end = time.perf_counter() + watch
    while watch and not _look(0) and time.perf_counter() < end:
        pass
    return os.read(_input, 1 << 16)


def _lines(watch):
    held = b""
    while come := _come(watch):
        *lines, held = (held + come).split(b"\n")
        yield from lines


def _frames(watch):
    held = b""
    while come := _come(watch):
        held += come
        while len(held) >= 4 and len(held) >= (end := 4 + int.from_bytes(held[:4], "little")):
            yield held[4:end]
            held = held[end:]


def _say(message):
    _write(_encode(message) + b"\n")


def _failure(error):
    traceback.print_exc()
    text = f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode()
    return {"error": text, "retry": isinstance(error, (OSError, MemoryError))}


def serve(rollout, context, action, metrics=(), name="simulator", deterministic=True, batch=64, binary=False, watch=0):
    """Answers with `rollout(context, action, seed)`, a reward or (reward, dict of metrics), until the input ends.

    For `watch` seconds it looks for requests before it sleeps until they come: see `watch` in rl_pg::process::Options.
    """
    _say({"hello": name, "proto": 1, "context": context, "action": action, "metrics": list(metrics),
          "deterministic": deterministic, "batch": batch, "encoding": "binary" if binary else "json"})
    record, done = struct.Struct(f"<QQ{context + action}d"), struct.Struct(f"<IQQd{len(metrics)}d")

    def read(message):
        if binary:
            for number, seed, *numbers in record.iter_unpack(message):
                yield number, numbers[:context], numbers[context:], seed
        else:
            requests = _decode(message)
            for request in requests if isinstance(requests, list) else [requests]:
                yield request["id"], request["context"], request["action"], request["seed"]

    def answer(number, *asked):
        try:
            result = rollout(*asked)
            reward, values = result if isinstance(result, tuple) else (result, {})
            reward, values = float(reward), [float(values[metric]) for metric in metrics]
        except Exception as error:
            failure = _failure(error)
            text = failure["error"].encode()
            status = 1 if failure["retry"] else 2
            return struct.pack("<IQQ", 16 + len(text), number, status) + text if binary else {"id": number, **failure}
        if binary:
            return done.pack(done.size - 4, number, 0, reward, *values)
        return {"id": number, "reward": reward, "metrics": values}

    def send(answers):
        if binary:
            _write(b"".join(answers))
        else:
            _say(answers)

    for message in _frames(watch) if binary else _lines(watch):
        answers, due = [], time.monotonic() + 0.1
        for request in read(message):
            answers.append(answer(*request))
            if time.monotonic() > due:  # a slow simulator is heard after each rollout, a fast one once
                send(answers)
                answers, due = [], time.monotonic() + 0.1
        if answers:
            send(answers)


def serve_environment(environment, name="environment", watch=0):
    """Answers for a Gymnasium environment with flat observations and Discrete or flat Box actions."""
    space = environment.action_space
    shape = {"actions": int(space.n)} if hasattr(space, "n") else {"action": space.shape[0]}
    _say({"hello": name, "proto": 1, "observation": environment.observation_space.shape[0], **shape})
    for line in _lines(watch):
        request = _decode(line)
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
