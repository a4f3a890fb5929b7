"""Python's own Subscriber and Client follow and steer a computation. Arguments: port of the calls, port of the state. Prints JSON."""
import asyncio
import json
import sys

from sipyco.pc_rpc import AsyncioClient
from sipyco.sync_struct import Subscriber


async def main(rpc, sync):
    mirror = {}
    news = asyncio.Event()

    def build(struct):
        mirror.clear()
        mirror.update(struct)
        return mirror

    subscriber = Subscriber("run", build, lambda mod: news.set())
    await subscriber.connect("127.0.0.1", sync)
    client = AsyncioClient()
    await client.connect_rpc("127.0.0.1", rpc, "inspect")

    async def until(condition):
        while not condition():
            news.clear()
            await asyncio.wait_for(news.wait(), 10)

    out = {}
    await until(lambda: mirror["values"]["n"] > 20)
    await client.pause(who="Grace")
    await until(lambda: mirror["run"]["state"] == "paused")
    out["paused_by"] = mirror["run"]["paused_by"]
    before = (await client.get(["n"]))["n"]
    await client.set("gain", 5)
    await client.step(2)
    await until(lambda: mirror["values"]["n"] == before + 10)
    try:
        await client.set("gain", 50)
    except ValueError as error:
        out["refused"] = str(error)
    out["array"] = mirror["values"]["array"].tolist()
    await client.resume()
    await client.request_stop("enough")
    await until(lambda: mirror["run"]["final"])
    out["end"] = [mirror["run"]["state"], mirror["run"]["stop_reason"]]
    out["values"] = mirror["values"]["n"]
    await client.seen(mirror["run"]["seq"])
    await subscriber.close()
    await client.close_rpc()
    print(json.dumps(out))


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
