"""Streams rows of a PostgreSQL through a step to a masked file; sql_rows.sh says what for."""

import glob
import os
import pathlib
import pwd
import socket
import subprocess
import sys
import tempfile
import time

PASSWORD = "bench-word-4711"
LIMIT_MIB = 64


def as_postgres():
    """Makes a child the user of PostgreSQL, which refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(room):
    """A server, and its port."""
    programs = max(glob.glob("/usr/lib/postgresql/*/bin"))
    word = room / "password"
    word.write_text(PASSWORD)
    for path in (room, word):
        if as_postgres():
            os.chown(path, as_postgres()["user"], as_postgres()["group"])
    subprocess.run(
        [f"{programs}/initdb", "-D", room / "data", "-U", "ada", "-A", "scram-sha-256", "-N", f"--pwfile={word}"],
        check=True, stdout=subprocess.DEVNULL, cwd="/", **as_postgres(),
    )
    port = free_port()
    server = subprocess.Popen(
        [f"{programs}/postgres", "-D", room / "data", "-p", str(port), "-c", "listen_addresses=127.0.0.1",
         "-c", "unix_socket_directories=", "-c", "fsync=off"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **as_postgres(),
    )
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server, port
        time.sleep(0.1)
    sys.exit("PostgreSQL does not start")


def run(subrosa, home, workflow):
    """Runs a workflow; seconds, and the largest resident size of the program, in MiB."""
    begun = time.monotonic()
    child = subprocess.Popen(
        [subrosa, "run", workflow], env={"SUBROSA_HOME": str(home), "PATH": os.environ["PATH"]}, cwd=workflow.parent,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit("the workflow failed")
    return time.monotonic() - begun, usage.ru_maxrss / 1024


def look(file):
    """How many lines have a mask, and how many the password; what is large here counts for the next child."""
    found = shown = 0
    with open(file, "rb") as lines:
        for line in lines:
            found += b"*******" in line
            shown += PASSWORD.encode() in line
    return found, shown


def main():
    subrosa, rows = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        room, place = pathlib.Path(folder) / "server", pathlib.Path(folder) / "place"
        room.mkdir()
        place.mkdir()
        os.chmod(folder, 0o755)
        server, port = start(room)
        try:
            home, workflow = place / "home", place / "rows.yaml"
            fields = ["host=127.0.0.1", f"port={port}", "database=postgres", "username=ada", "sslmode=disable"]
            words = [word for field in fields for word in ("--set", field)]
            subprocess.run(
                [subrosa, "connection", "add", "postgres", "db", *words, "--set", "password=-"],
                check=True, input=PASSWORD.encode(), env={"SUBROSA_HOME": str(home)},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for format_ in ("jsonl", "csv"):
                select = (f"SELECT n AS id, '{PASSWORD[:5]}' || '{PASSWORD[5:]}' AS word, md5(n::text) AS digest, now() AS made "
                          f"FROM generate_series(1, {rows}) n")
                workflow.write_text(
                    "steps:\n  - name: rows\n    type: postgres\n    connection: db\n"
                    f"    stdout: rows.{format_}\n    command: {select}\n    with: {{output_format: {format_}}}\n"
                )
                seconds, mib = run(subrosa, home, workflow)
                written = place / f"rows.{format_}"
                found, shown = look(written)
                if found != rows or shown:
                    sys.exit(f"{found} of {rows} rows are masked, {shown} show the password")
                size = written.stat().st_size / 1024 / 1024
                print(f"{format_}: {rows} rows, {size:.0f} MiB in {seconds:.1f} s: {rows / seconds:.0f} rows/s, {mib:.0f} MiB resident")
                if mib > LIMIT_MIB:
                    sys.exit(f"more than {LIMIT_MIB} MiB")
        finally:
            server.terminate()
            server.wait()


main()
