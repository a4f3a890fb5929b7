"""The Python side of rpc.mjs: `serve` runs the real sipyco server and publisher, `measure RPC SYNC` the real clients against any server."""
import asyncio
import json
import socket
import statistics
import sys
import time
import types

import numpy

if not hasattr(numpy, "dtypes"):
    numpy.dtypes = types.SimpleNamespace(ObjectDType=type(numpy.dtype(object)))

from sipyco.pc_rpc import AsyncioClient, Client, Server
from sipyco.sync_struct import Notifier, Publisher, Subscriber


class Echo:
    def __init__(self, state):
        self.state = state

    def echo(self, x):
        return x

    def ramp(self, n):
        return numpy.arange(n, dtype="<f8")

    def total(self, array):
        return array.size

    async def burst(self, n):
        for i in range(1, n + 1):
            self.state["n"] = i
            if i % 1000 == 0:
                await asyncio.sleep(0)


async def serve():
    state = Notifier({"n": 0})
    rpc = Server({"echo": Echo(state)}, allow_parallel=True)
    sync = Publisher({"state": state})
    ports = []
    for server in rpc, sync:
        await server.start("127.0.0.1", 0)
        ports.append(server.server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def median_rate(f, n, repeat=3):
    rates = []
    for _ in range(repeat):
        start = time.perf_counter()
        f()
        rates.append(n / (time.perf_counter() - start))
    return statistics.median(rates)


async def published(rpc, sync, n):
    client = AsyncioClient()
    await client.connect_rpc("127.0.0.1", rpc, "echo")
    rates = []
    for _ in range(2):
        done = asyncio.Event()
        subscriber = Subscriber("state", lambda x: x, lambda mod: mod.get("value") == n and done.set())
        await subscriber.connect("127.0.0.1", sync)
        await asyncio.sleep(0.05)
        start = time.perf_counter()
        await client.burst(n)
        await asyncio.wait_for(done.wait(), 30)
        rates.append(n / (time.perf_counter() - start))
        await subscriber.close()
    await client.close_rpc()
    return statistics.median(rates)


def measure(rpc, sync):
    out = {}
    client = Client("127.0.0.1", rpc, "echo", timeout=60)

    def echoes():
        for i in range(1000):
            client.echo(i)

    echoes()
    out["echo_blocking_calls_per_s"] = median_rate(echoes, 1000)
    client.ramp(1000000)
    out["result_1M_float64_MB_per_s"] = 8 * median_rate(lambda: client.ramp(1000000), 1)
    array = numpy.zeros(300000)
    client.total(array)
    out["argument_300k_float64_MB_per_s"] = 2.4 * median_rate(lambda: client.total(array), 1)
    try:
        client.total(numpy.zeros(1000000))
        out["argument_1M_float64"] = "accepted"
    except Exception as e:
        out["argument_1M_float64"] = type(e).__name__
    s = socket.create_connection(("127.0.0.1", rpc), 60)
    f = s.makefile("rb")
    s.sendall(b"ARTIQ pc_rpc\necho pyon_v2\n")
    f.readline(), f.readline()
    block = b'{"action":"call","name":"echo","args":[1],"kwargs":{}}\n' * 100

    def pipelined():
        for _ in range(100):
            s.sendall(block)
            for _ in range(100):
                f.readline()

    pipelined()
    out["raw_100_in_flight_calls_per_s"] = median_rate(pipelined, 10000)
    out["published_changes_per_s"] = asyncio.run(published(rpc, sync, 20000))
    return out


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve())
    else:
        print(json.dumps(measure(int(sys.argv[2]), int(sys.argv[3]))))
