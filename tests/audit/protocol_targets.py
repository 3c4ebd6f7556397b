"""Adapters in Python that keep the protocol or break it; the first argument says how."""

import json
import math
import os
import sys
import time

PLAIN = {"protocol": 1, "takes": ["mask", "groups", "sequences"], "versions": {"toy": "1"}}


def number(x):
    return float(x) if isinstance(x, str) else x


def flat(x):
    return [y for part in x for y in flat(part)] if isinstance(x, list) else [number(x)]


def first(message, state):
    """Return what every answer is made of: the surface's numbers, the gate, c."""
    u = flat(message.get("advantages", message.get("rewards", message.get("delight"))))
    state[0] = 0 if message["fresh"] else state[0] + 1
    logp = flat(message["logp"]) if "logp" in message else [-1.0] * len(u)
    gate = [1.0 if -a * b > 0 else 0.0 for a, b in zip(u, logp, strict=True)]
    return u, gate, [g * x / len(u) for g, x in zip(gate, u, strict=True)]


def answer(message, how, state):
    if message["type"] == "hello":
        return {**PLAIN, "protocol": 2} if how == "future" else PLAIN
    if message["type"] == "loss":
        u = flat(message["advantages"])
        return {
            "id": message["id"],
            "dlogp": [-x / message["decisions"] for x in u],
            "loss": 0.5,
        }
    u, gate, c = first(message, state)
    draws = flat(message.get("uniforms", []))
    always = {
        "coefficients": {"coefficients": c, "metrics": {"calls": state[0]}},
        "nan": {"coefficients": ["nan", "inf", "-inf", *c[3:]], "loss": math.nan},
        "gate": {"weights": gate},
        "screen": {"kept": [i for i, g in enumerate(gate) if g]},
        "bools": {"kept": [g > 0 for g in gate]},
        "uniforms": {"weights": [1.0 if x < 0.5 else 0.0 for x in draws]},
    }
    loud = {
        "refuses": {"error": "too\nloud"},
        "forgets the id": {"id": None, "coefficients": c},
        "ragged": {"coefficients": [[1.0], 2.0]},
        "short": {"coefficients": c[1:]},
        "words": {"coefficients": ["many", *c[1:]]},
        "nothing": {},
    }
    found = always.get(how, {"coefficients": c})
    if u[0] > 100.0:
        misbehave(how)
        found = loud.get(how, found)
    return {"id": message["id"], **found}


def misbehave(how):
    if how == "dies":
        sys.stderr.write("no more memory\n")
        os._exit(5)
    if how == "hangs":
        time.sleep(60.0)
    if how == "chats":
        sys.stdout.write("a word\n[1, 2]\n")
        sys.stderr.write("an error\n")
        sys.stderr.flush()


def main():
    how, state = sys.argv[1], [0]
    if how == "says nothing":
        time.sleep(60.0)
    for line in sys.stdin:
        message = json.loads(line)
        print(json.dumps(answer(message, how, state)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
