"""Serves a Python simulator to the Rust crate rl-pg, over standard input and output.

    from plumbline_worker import serve            # first of all imports: it takes standard output away

    def rollout(context, action, seed):
        return -sum((a - c) ** 2 for a, c in zip(action, context)), {"effort": sum(a * a for a in action)}

    serve(rollout, context=2, action=2, metrics=["effort"])

Whatever the simulator prints goes to standard error. An exception is that rollout's failure, and the worker
lives on. `serve_environment(gymnasium.make("CartPole-v1"))` serves one that is asked step by step.
The protocol is in the documentation of rl_pg::process. Python 3.8 or newer, standard library only.
"""
import json, os, struct, sys, time, traceback

_requests, _answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # input() must not eat requests,
os.dup2(2, 1)  # nor a print, be it C's or a child's, get among the answers
sys.stdout = sys.stderr


def _say(message):
    _answers.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
    _answers.flush()


def _failure(error):
    traceback.print_exc()
    return {"error": f"{type(error).__name__}: {error}", "retry": isinstance(error, (OSError, MemoryError))}


def serve(rollout, context, action, metrics=(), name="simulator", deterministic=True, batch=64, binary=False):
    """Answers until its input ends; `rollout(context, action, seed)` gives a reward, or (reward, dict of metrics)."""
    _say({"hello": name, "proto": 1, "context": context, "action": action, "metrics": list(metrics), "batch": batch,
          "deterministic": deterministic, "encoding": "binary" if binary else "json"})

    def run(context, action, seed):
        result = rollout(context, action, seed)
        reward, values = result if isinstance(result, tuple) else (result, {})
        return float(reward), [float(values[metric]) for metric in metrics]

    def answer_json(line):
        requests, answers, due = json.loads(line), [], time.monotonic() + 0.1
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

    def answer_binary(frame):
        for number, seed, *numbers in struct.iter_unpack(f"<QQ{context + action}d", frame):
            try:
                reward, values = run(numbers[:context], numbers[context:], seed)
                answer = struct.pack(f"<QQd{len(values)}d", number, 0, reward, *values)
            except Exception as error:
                said = _failure(error)
                answer = struct.pack("<QQ", number, 1 if said["retry"] else 2) + said["error"].encode()
            _answers.write(struct.pack("<I", len(answer)) + answer)
        _answers.flush()

    if binary:
        while len(length := _requests.read(4)) == 4:
            answer_binary(_requests.read(*struct.unpack("<I", length)))
    else:
        for line in _requests:
            answer_json(line)


def serve_environment(environment, name="environment"):
    """Answers until its input ends, for a Gymnasium environment of flat observations."""
    space = environment.action_space
    discrete = hasattr(space, "n")
    _say({"hello": name, "proto": 1, "observation": environment.observation_space.shape[0],
          **({"actions": int(space.n)} if discrete else {"action": space.shape[0]})})
    for line in _requests:
        request = json.loads(line)
        answer = {"id": request["id"]}
        try:
            if "reset" in request:
                observation, _ = environment.reset(seed=request["reset"] % 2**32)
            else:
                if discrete:
                    action = int(space.start) + request["action"]
                else:
                    action = space.sample()
                    action[:] = request["action"]
                observation, reward, terminated, truncated, _ = environment.step(action)
                end = "terminated" if terminated else "truncated" if truncated else None
                answer.update(reward=float(reward), end=end)
            answer["observation"] = [float(number) for number in observation]
        except Exception as error:
            answer = {"id": request["id"], **_failure(error)}
        _say(answer)
