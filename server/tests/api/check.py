"""Holds a running server against its own description, with schemathesis.

    echo '{"url": "http://127.0.0.1:4711", "cookie": "subrosa=…", "csrf": "…"}' | python check.py

No answer may be a 5xx, none may differ from its description, and what the description forbids is refused.
What is made is used further: the description gets links from each collection to its things, by what the
names of parameters and fields say, so nothing has to be added for a new route. Ends with 1 if something is
wrong. The seed is fixed, so that a test that was good stays good; SUBROSA_SEED sets another.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

# The phases that are run one after the other, each group with its time in seconds: fuzzing takes all it gets.
PHASES = [("examples,coverage", 30), ("stateful", 50), ("fuzzing", 40)]
# What would end the session that is used, or lock out whoever has it; regular expressions.
LEAVE_OUT = ["/sessions", "/login", "/logout", "/password", r"/users/\{"]
# What a description cannot say, such as that two fields exclude each other, is refused with 422; what was
# changed by others with 412; a service that has to be asked and is not there is told with 502 to 504.
# Links are those that are added here: the guessed ones join operations that have nothing to do with each other.
CONFIG = """
[phases.stateful.inference]
algorithms = []
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "429", "502", "503", "504"]
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "428", "429"]
"""


def fetch(server, path):
    """A JSON answer, as whoever is signed in."""
    request = urllib.request.Request(server["url"] + path, headers={"cookie": server["cookie"]})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def resolved(description, schema):
    """A schema without its reference, and with the fields of all its parts."""
    while "$ref" in schema:
        schema = description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    fields = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        fields.update(resolved(description, part))
    return fields


def source(description, operation, name):
    """Where a thing that was just made has what a parameter asks for."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if name in resolved(description, body.get("schema", {})):
        return f"$request.body#/{name}"
    for status in ("200", "201", "202"):
        answer = operation["responses"].get(status, {}).get("content", {})
        if name in resolved(description, answer.get("application/json", {}).get("schema", {})):
            return f"$response.body#/{name}"
    return None


def linked(description):
    """Adds links from what makes a thing to all that can be done with it."""
    paths, count = description["paths"], 0
    for path, item in paths.items():
        maker = item.get("post")
        made = maker and next((s for s in ("201", "202", "200") if s in maker["responses"]), None)
        if not made:
            continue
        for below, things in paths.items():
            if not below.startswith(path + "/{"):
                continue
            for method, operation in things.items():
                wanted = [p for p in operation.get("parameters", []) if p["in"] in ("path", "query")]
                found = {p["name"]: source(description, maker, p["name"]) for p in wanted}
                if any(p["in"] == "path" and not found[p["name"]] for p in wanted):
                    continue
                # By its place: ids of operations need not be there.
                place = below.replace("~", "~0").replace("/", "~1")
                maker["responses"][made].setdefault("links", {})[f"{method} {below}"] = {
                    "operationRef": f"#/paths/{place}/{method}",
                    "parameters": {name: at for name, at in found.items() if at},
                }
                count += 1
    return count


def without_keys(description):
    """Takes `Idempotency-Key` away: a second DELETE with the key of an earlier one is answered like that one and
    does nothing, which whoever follows what became of a thing would take for a thing that cannot be deleted."""
    for item in description["paths"].values():
        for operation in item.values():
            given = operation.get("parameters", [])
            operation["parameters"] = [one for one in given if one["name"].lower() != "idempotency-key"]


def left_out(description):
    """What is not asked: what is named above, and live output, which has no end."""
    for path, item in description["paths"].items():
        answers = [answer for one in item.values() for answer in one["responses"].values()]
        is_live = any("text/event-stream" in answer.get("content", {}) for answer in answers)
        if is_live or any(re.search(pattern, path) for pattern in LEAVE_OUT):
            yield path


def main():
    server = json.loads(sys.stdin.readline())
    description = fetch(server, "/api/v1/openapi.json")
    links = linked(description)
    with tempfile.TemporaryDirectory() as room:
        room = pathlib.Path(room)
        (room / "schemathesis.toml").write_text(CONFIG)
        common = [
            str(pathlib.Path(sys.executable).with_name("schemathesis")),
            "--config-file", str(room / "schemathesis.toml"),
            "run", str(room / "openapi.json"),
            "--url", server["url"],
            "--header", f"cookie: {server['cookie']}",
            "--header", f"x-csrf-token: {server['csrf']}",
            # With two, Python 3.11 itself fails now and then ("AST constructor recursion depth mismatch").
            "--workers", "1", "--request-timeout", "20",
            "--seed", os.environ.get("SUBROSA_SEED", "8"), "--generation-database", "none",
            "--continue-on-failure", "--no-color",
        ]
        for path in left_out(description):
            common += ["--exclude-path", path]
        with_keys = json.dumps(description)
        without_keys(description)
        ended = []
        for phases, time in PHASES:
            text = json.dumps(description) if phases == "stateful" else with_keys
            (room / "openapi.json").write_text(text)
            command = [*common, "--phases", phases, "--max-time", str(time)]
            ended.append(subprocess.run(command, cwd=room).returncode)
    # Whoever is signed out is refused everything, which would be according to the description.
    fetch(server, "/api/v1/secrets")
    print(f"{len(description['paths'])} paths, {links} links, schemathesis ended with {ended}")
    sys.exit(1 if any(ended) else 0)


main()
