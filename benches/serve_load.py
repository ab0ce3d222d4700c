"""Measures `subrosa serve` under load; for serve_load.sh, which says what and how."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

CONNECTIONS = 64
THREADS = 2
P99_MS = 50
RESIDENT_MIB = 150
HERE = pathlib.Path(__file__).parent


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def stock(program, home, secrets):
    """Stores so many secrets, in several workspaces."""
    began = time.monotonic()
    each = secrets // 4
    for workspace in (None, "payments", "reports", "shop"):
        values = {f"service-{n // 20:04}/key-{n % 20:02}": f"value-{n}" for n in range(each)}
        file = home / "import.json"
        file.write_text(json.dumps(values))
        command = [program, "secret", "import", str(file), "--format", "json", "--apply"]
        command += ["--workspace", workspace] if workspace else []
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"{secrets} secrets stored in {time.monotonic() - began:.1f} s")


def begin(program, home):
    """Starts the server; its process, its address and the cookie of whoever came in."""
    (home / "flows").mkdir()
    command = [program, "serve", str(home / "flows"), "--bind", "127.0.0.1:0", "--quiet"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    link = None
    while not link:
        line = server.stderr.readline()
        if not line:
            sys.exit("serve_load: the server did not start")
        link = re.search(r"as an admin: (\S+)", line)
    threading.Thread(target=server.stderr.read, daemon=True).start()
    try:
        urllib.request.build_opener(NoRedirect).open(link[1])
    except urllib.error.HTTPError as answer:
        cookie = answer.headers["set-cookie"].split(";")[0]
    return server, link[1].split("/welcome")[0], cookie


def listed(address, cookie):
    """How many secrets the server tells of."""
    count, cursor = 0, ""
    while cursor is not None:
        query = "?limit=1000" + (f"&cursor={cursor}" if cursor else "")
        request = urllib.request.Request(f"{address}/api/v1/secrets{query}", headers={"cookie": cookie})
        with urllib.request.urlopen(request) as answer:
            page = json.load(answer)
        count, cursor = count + len(page["items"]), page["next"]
    return count


def processes(server):
    """The process that listens and those that it started."""
    children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    threads = pathlib.Path(f"/proc/{server.pid}/task").iterdir()
    for thread in threads:
        children += (thread / "children").read_text().split()
    return {"listener": server.pid, **{"runner": int(child) for child in children}}


def resident_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def load(address, cookie, rate, seconds):
    """What wrk says: requests, seconds, and milliseconds for half, for 99 of 100, and for the slowest."""
    environment = {**os.environ, "COOKIE": cookie, "PER_THREAD": str(rate / THREADS)}
    command = ["wrk", "--threads", str(THREADS), "--connections", str(CONNECTIONS),
               "--duration", f"{seconds}s", "--timeout", "10s",
               "--script", str(HERE / "serve_load.lua"), f"{address}/api/v1/secrets?limit=100"]
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    numbers = [int(number) for number in re.search(r"RESULT (.*)", said)[1].split()]
    requests, took_us, half_us, most_us, slowest_us, failed = numbers
    return requests, took_us / 1e6, half_us / 1e3, most_us / 1e3, slowest_us / 1e3, failed


def main():
    program, rate, seconds, secrets = sys.argv[1], *map(int, sys.argv[2:5])
    with tempfile.TemporaryDirectory() as room:
        home = pathlib.Path(room)
        os.environ["SUBROSA_HOME"] = str(home / "home")
        stock(program, home, secrets)
        server, address, cookie = begin(program, home)
        try:
            if listed(address, cookie) != secrets:
                sys.exit("serve_load: the server does not list what was stored")
            load(address, cookie, rate, 2)
            requests, took, half, most, slowest, failed = load(address, cookie, rate, seconds)
            resident = {name: resident_mib(pid) for name, pid in processes(server).items()}
        finally:
            server.terminate()
            server.wait()
    print(f"{requests / took:.0f} requests/s, {failed} failed, "
          f"p50 {half:.1f} ms, p99 {most:.1f} ms, slowest {slowest:.1f} ms")
    print(", ".join(f"{name} {mib:.0f} MiB" for name, mib in resident.items()))
    is_fast = most <= P99_MS and requests / took >= 0.98 * rate
    if rate and not (is_fast and not failed and sum(resident.values()) <= RESIDENT_MIB):
        sys.exit(f"serve_load: wanted are {rate} requests/s with p99 {P99_MS} ms in {RESIDENT_MIB} MiB")


if __name__ == "__main__":
    main()
