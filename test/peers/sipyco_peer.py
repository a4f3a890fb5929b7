"""The real sipyco at the other end of the wire, for sipyco.test.ts.

  sipyco_peer.py serve            servers on free ports, told as one JSON line; ends when stdin does
  sipyco_peer.py tls PORT CERT KEY PEER  the blocking client over TLS; prints what echo gave
  sipyco_peer.py check RPC SYNC CAST   the real clients against servers elsewhere; prints one JSON object
"""
import asyncio
import json
import math
import sys
import types
from fractions import Fraction

import numpy

if not hasattr(numpy, "dtypes"):
    # sipyco 1.10 asks for it although it does not say that it needs numpy 1.25.
    numpy.dtypes = types.SimpleNamespace(ObjectDType=type(numpy.dtype(object)))

from sipyco.broadcast import Broadcaster, Receiver
from sipyco.pc_rpc import AsyncioClient, BestEffortClient, Client, Server
from sipyco.sync_struct import Notifier, Publisher, Subscriber

VALUES = [
    None, True, False, 0, 1, -5, 2**31, 2**53 + 1, -2**70, 1.0, -0.0, 1.5, 1e16, 1e-5, math.inf, -math.inf, 1j, complex(1, -9),
    "", "plain", "caf\u00e9 \u269b \"q\"\n", b"", bytes(range(256)), (), (1,), (1, (2, [3])), [], [1, 2.0, "x", None],
    {1, 2}, {}, {"a": 1, "b": [2]}, {1: "a", (1, 2): "b"}, slice(1, None, -1), Fraction(3, -4),
    numpy.float32(1.5), numpy.int64(-5), numpy.uint8(8), numpy.complex64(1j),
    numpy.arange(6, dtype="<f8").reshape(2, 3), numpy.array([1, 2], ">i2"), numpy.array(7.0), numpy.zeros((0, 3)),
    numpy.array([True, False]), numpy.array([1 + 2j]), numpy.array(["ab", "c"]), numpy.array([2**63 - 1, -2**63]),
]


def equal(a, b):
    if isinstance(a, numpy.ndarray):
        return isinstance(b, numpy.ndarray) and a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, float) and not isinstance(a, numpy.generic):
        return type(b) is float and (a == b or a != a and b != b) and math.copysign(1, a) == math.copysign(1, b)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and a == b


class Echo:
    """A target of the real server."""

    def __init__(self, lab):
        self.lab = lab

    def ping(self):
        """True."""
        return True

    def echo(self, x):
        return x

    def add(self, a: int, b: int = 1, *, scale: float = 1.0):
        """Add two numbers."""
        return (a + b) * scale

    def fail(self):
        raise ValueError("bad value")

    def ramp(self, n):
        return numpy.arange(n, dtype="<f8")

    def total(self, array):
        return float(array.sum())

    async def later(self, seconds):
        await asyncio.sleep(seconds)
        return "done"

    def change(self):
        """One change of every kind."""
        state = self.lab["state"]
        state["a"] = {"b": [()]}
        state[5] = None
        state["list"].append(3)
        state["list"].insert(-1, 9)
        state["list"].pop()
        state["list"].pop(0)
        state["list"][-1] = 4
        state["a"]["b"].append(1.0)
        state["list"][0:1] = [7, 8]
        state["arr"] = numpy.array([1.5])
        del state[5]
        state["end"] = True

    def burst(self, n):
        state = self.lab["state"]
        for i in range(n):
            state["n"] = i

    def cast(self, n):
        for i in range(n):
            self.lab["cast"].broadcast("ch", ("n", i))


async def serve():
    state = Notifier({"list": [1, 2], "d": {}})
    cast = Broadcaster()
    rpc = Server({"echo": Echo({"state": state, "cast": cast})}, "the real one", allow_parallel=True)
    sync = Publisher({"state": state})
    ports = []
    for server in rpc, sync, cast:
        await server.start("127.0.0.1", 0)
        ports.append(server.server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def blocking(port):
    out = {}
    client = Client("127.0.0.1", port, "plain", timeout=20)
    out["id"] = client.get_rpc_id()
    out["ping"] = client.ping()
    out["different"] = [repr(v) for v in VALUES if not equal(v, client.echo(v))]
    out["add"] = [client.add(1), client.add(1, 2), client.add(a=1, b=5, scale=2.0)]
    errors = []
    for call in (client.fail, client.fail_lab, client.unserialisable, client.add, lambda: client.add(1, c=2)):
        try:
            call()
        except Exception as e:
            errors.append([type(e).__name__, str(e)])
    out["errors"] = errors
    out["list"] = {k: list(v[0]) for k, v in client.get_rpc_method_list()["methods"].items()}
    big = numpy.arange(1000000, dtype="<f8")
    out["big"] = equal(big, client.echo(big))
    out["calls"] = all(client.echo(i) == i for i in range(300))
    client.close_rpc()
    best = BestEffortClient("127.0.0.1", port, "plain")
    out["best"] = best.echo((1, "x"))
    best.close_rpc()
    return out


async def concurrent(rpc, sync, cast):
    out = {}
    client = AsyncioClient()
    await client.connect_rpc("127.0.0.1", rpc, "plain")
    out["asyncio"] = await asyncio.gather(*[client.echo(i) for i in range(50)]) == list(range(50))
    done = asyncio.Event()
    mods = []

    def notify(mod):
        mods.append(mod["action"])
        if mod.get("key") == "end":
            done.set()

    mirror = []
    subscriber = Subscriber("state", lambda struct: mirror.append(struct) or struct, notify)
    await subscriber.connect("127.0.0.1", sync)
    received = []
    heard = asyncio.Event()

    def hear(x):
        received.append(x)
        if len(received) == 100:
            heard.set()

    receiver = Receiver("ch", hear)
    await receiver.connect("127.0.0.1", cast)
    await asyncio.sleep(0.2)
    control = AsyncioClient()
    await control.connect_rpc("127.0.0.1", rpc, "control")
    await control.change()
    await asyncio.wait_for(done.wait(), 10)
    await asyncio.wait_for(heard.wait(), 10)
    out["mods"] = mods
    out["mirror"] = repr(mirror[0])
    out["heard"] = received == [("n", i) for i in range(100)]
    await subscriber.close()
    await receiver.close()
    for c in client, control:
        closing = c.close_rpc()
        if closing is not None:
            await closing
    return out


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve())
    elif sys.argv[1] == "tls":
        from sipyco.tools import SimpleSSLConfig

        client = Client("127.0.0.1", int(sys.argv[2]), "plain", timeout=20, ssl_config=SimpleSSLConfig(*sys.argv[3:6]))
        print(client.echo("over TLS"))
        client.close_rpc()
    else:
        rpc, sync, cast = map(int, sys.argv[2:5])
        result = blocking(rpc)
        result.update(asyncio.run(concurrent(rpc, sync, cast)))
        print(json.dumps(result))
