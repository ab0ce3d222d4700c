"""Measures live streams of `subrosa serve`; for serve_streams.sh, which says what and how."""

import asyncio
import json
import os
import pathlib
import re
import sys
import tempfile
import time
import urllib.request

from serve_load import RESIDENT_MIB, begin, processes, resident_mib

# Lines come in bursts, with pauses in which streams have nothing to do.
FLOW = """
name: talks
steps:
  - name: talk
    run: |
      n=0
      while [ $n -lt {lines} ]; do
        n=$((n + 1))
        echo "line $n of what is said"
        [ $((n % 500)) -ne 0 ] || sleep 0.5
      done
"""


def call(address, cookie, path, body=None):
    """A JSON answer, as whoever is signed in."""
    headers = {"cookie": cookie}
    if body is not None:
        page = urllib.request.Request(f"{address}/secrets", headers=headers)
        with urllib.request.urlopen(page) as answer:
            token = re.search(r'name="csrf" value="([^"]*)"', answer.read().decode())[1]
        headers |= {"x-csrf-token": token, "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data=data, headers=headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


async def follow(address, cookie, run):
    """The log that one stream brings, and how the run ended."""
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 24)
    # HTTP/1.0: nothing is chunked.
    head = f"GET /api/v1/runs/{run}/events HTTP/1.0\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n"
    writer.write(head.encode())
    log, kind, status = [], None, None
    while line := (await reader.readline()).decode():
        if line.startswith("event: "):
            kind = line[7:].strip()
        elif line.startswith("data: ") and kind == "log":
            log.append(json.loads(line[6:])["text"])
        elif line.startswith("data: ") and kind == "end":
            status = json.loads(line[6:])["status"]
    writer.close()
    return "".join(log), status


async def watch(address, cookie, run, streams):
    return await asyncio.gather(*(follow(address, cookie, run) for _ in range(streams)))


def main():
    program, streams, lines = sys.argv[1], *map(int, sys.argv[2:4])
    expected = "".join(f"line {n} of what is said\n" for n in range(1, lines + 1))
    with tempfile.TemporaryDirectory() as room:
        home = pathlib.Path(room)
        os.environ["SUBROSA_HOME"] = str(home / "home")
        server, address, cookie = begin(program, home)
        try:
            (home / "flows/talks.yaml").write_text(FLOW.format(lines=lines))
            # A new file is seen within a second.
            time.sleep(1.1)
            run = call(address, cookie, "/api/v1/workflows/talks/runs", {})["id"]
            began = time.monotonic()
            seen = asyncio.run(watch(address, cookie, run, streams))
            took = time.monotonic() - began
            resident = {name: resident_mib(pid) for name, pid in processes(server).items()}
        finally:
            server.terminate()
            server.wait()
    wrong = [(len(log), status) for log, status in seen if log != expected or not status]
    print(f"{streams} streams of {lines} lines in {took:.1f} s, {len(wrong)} wrong")
    print(", ".join(f"{name} {mib:.0f} MiB" for name, mib in resident.items()))
    if wrong or sum(resident.values()) > RESIDENT_MIB:
        sys.exit(f"serve_streams: wanted are whole logs in {RESIDENT_MIB} MiB; wrong: {wrong[:3]}")


main()
