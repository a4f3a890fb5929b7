"""Real ipyparallel, for tests and benchmarks.

    cluster_peer.py serve ENGINES [option of ipcontroller ...]   a controller and engines in a folder of their own, until stdin ends
    cluster_peer.py drive FILE ENGINE                            Python's client on an engine that is not Python
    cluster_peer.py measure FILE TASKS                           what Python's client reaches
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time


def serve(engines, options):
    with tempfile.TemporaryDirectory(prefix="spinn-cluster-") as folder:
        environment = {**os.environ, "IPYTHONDIR": folder, "PYTHONWARNINGS": "ignore"}
        security = os.path.join(folder, "profile_default", "security")
        files = {name: os.path.join(security, f"ipcontroller-{name}.json") for name in ("client", "engine")}
        log = open(os.path.join(folder, "log"), "wb")

        def start(module, *arguments):
            command = [sys.executable, "-m", module, *arguments]
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

        # Stopped by a signal, it must still stop what it started.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        children = [start("ipyparallel.controller", "--ip=127.0.0.1", "--HeartMonitor.period=500", *options)]
        try:
            while not all(os.path.exists(name) and os.path.getsize(name) for name in files.values()):
                if children[0].poll() is not None:
                    sys.exit(open(log.name).read())
                time.sleep(0.05)
            children += [start("ipyparallel.engine") for _ in range(engines)]
            print(json.dumps({**files, "folder": folder, "pids": [child.pid for child in children]}), flush=True)
            sys.stdin.read()
        finally:
            # Engines before the controller; each in a session of its own, with its nanny and its schedulers.
            for child in reversed(children):
                try:
                    os.killpg(child.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            for child in children:
                child.wait()


def drive(path, number):
    import ipyparallel as ipp

    client = ipp.Client(path)
    view = client[number]
    out = {"ids": client.ids}
    out["call"] = view.apply_sync(ipp.Reference("add"), 1, b=2)
    out["data"] = view.apply_sync(ipp.Reference("echo"), {"a": [1, 2.5, None, True, "é", 2**70], "b": b"\x00\x01"})
    out["data"]["b"] = list(out["data"]["b"])
    array = view.apply_sync(ipp.Reference("ramp"), 3)
    out["array"] = [str(array.dtype), array.tolist()]
    executed = view.execute('{"op": "add", "args": [40], "kwargs": {"b": 2}}', silent=False)
    executed.wait_for_output(5)
    out["execute"] = executed.execute_result[0]["data"]["text/plain"] if isinstance(executed.execute_result, list) else executed.execute_result["data"]["text/plain"]
    printed = view.apply_async(ipp.Reference("talk"), "hello")
    printed.get(5)
    printed.wait_for_output(5)
    out["stdout"], out["stderr"] = printed.stdout, printed.stderr
    for name, call in (("lambda", lambda: view.apply_sync(lambda: 1)), ("unknown", lambda: view.apply_sync(ipp.Reference("none")))):
        try:
            call()
        except ipp.RemoteError as error:
            out[name] = [error.ename, error.evalue]
    slow = view.apply_async(ipp.Reference("slow"), 30)
    waiting = view.apply_async(ipp.Reference("add"), 1, b=1)
    time.sleep(0.2)
    waiting.abort()
    began = time.time()
    client.send_signal("SIGINT", targets=[number], block=True)
    for name, result in (("interrupted", slow), ("aborted", waiting)):
        try:
            result.get(5)
        except Exception as error:
            out[name] = getattr(error, "ename", type(error).__name__)
    out["interrupt_is_quick"] = time.time() - began < 2
    balanced = client.load_balanced_view(targets=[number])
    out["balanced"] = balanced.apply_sync(ipp.Reference("add"), 1, b=3)
    out["broadcast"] = client.broadcast_view(targets=[number]).apply_sync(ipp.Reference("add"), 1, b=4)
    client.clear(targets=[number], block=True)
    out["cleared"] = view.apply_sync(ipp.Reference("cleared"))
    status = client.queue_status(targets=number)
    out["queue"] = status["queue"]
    client.shutdown(targets=[number], block=True)
    until = time.time() + 5
    while number in client.ids and time.time() < until:
        time.sleep(0.02)
    out["left"] = number not in client.ids
    print(json.dumps(out))


def measure(path, tasks):
    import ipyparallel as ipp

    client = ipp.Client(path)
    # The Python engines, which are first: others may have come.
    numbers = client.ids[:2]
    one, balanced = client[numbers[0]], client.load_balanced_view(numbers)
    one.apply_sync(os.getpid)
    one.execute("1", silent=True).get()

    def per_second(work, count):
        began = time.perf_counter()
        work()
        return count / (time.perf_counter() - began)

    def burst(send, count):
        return per_second(lambda: [result.get() for result in [send(i) for i in range(count)]], count)

    views = [client[number] for number in numbers]
    rounds = max(20, tasks // 3)
    began = sum(os.times()[:2])
    for _ in range(rounds):
        one.apply_sync(os.getpid)
    out = {
        "cpu_us_per_trip": (sum(os.times()[:2]) - began) / rounds * 1e6,
        "mux_apply_round_trips_per_s": per_second(lambda: [one.apply_sync(os.getpid) for _ in range(rounds)], rounds),
        "mux_execute_round_trips_per_s": per_second(lambda: [one.execute("1", silent=True).get() for _ in range(rounds)], rounds),
        "mux_apply_tasks_per_s": burst(lambda i: views[i % len(views)].apply_async(os.getpid), tasks),
        "mux_execute_tasks_per_s": burst(lambda i: views[i % len(views)].execute("1", silent=True), tasks),
        "scheduled_apply_tasks_per_s": burst(lambda i: balanced.apply_async(os.getpid), tasks),
    }
    print(json.dumps(out))


if __name__ == "__main__":
    mode, *rest = sys.argv[1:]
    if mode == "serve":
        serve(int(rest[0]), rest[1:])
    elif mode == "drive":
        drive(rest[0], int(rest[1]))
    else:
        measure(rest[0], int(rest[1]))
