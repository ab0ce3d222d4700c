#!/usr/bin/env python3
"""Writes testdata/mask/forms.json: what Python's library and bash make of values.

    masker/tests/forms.py > testdata/mask/forms.json

An implementation that shares nothing with ours. The values are random but for a fixed seed; every entry is
a value, the name of a form, and a text that holds the value in that form with other text around it.
"""
import base64
import csv
import html
import io
import json
import random
import shlex
import subprocess
import sys
import urllib.parse
import uuid
import xml.sax.saxutils

random.seed(20)
PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
SPECIAL = PLAIN + "!@#$%^&*()-_=+[]{};:'\",.<>/?\\|`~ "
WIDE = PLAIN + "äß€Ω\u2028😀"
CONTROL = PLAIN + "\t\n\x1b\x07\x7f"


def values():
    for alphabet in (PLAIN, SPECIAL, SPECIAL, WIDE, CONTROL):
        for length in (9, 16, 33):
            yield "v" + "".join(random.choices(alphabet, k=length)) + "w"


def bash(script, value):
    run = subprocess.run(["bash", "-c", script, "bash", value], capture_output=True, check=True,
                         env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"})
    return run.stdout


def text_forms(value):
    yield "percent", urllib.parse.quote(f"a {value} b")
    yield "percent", urllib.parse.quote(f"a {value} b", safe="")
    yield "form-url", urllib.parse.urlencode({"key": f"a {value} b"})
    yield "json", json.dumps({"key": f"a {value} b"}, ensure_ascii=False)
    yield "json-unicode", json.dumps([f"a {value} b"])
    yield "json-in-json", json.dumps(json.dumps([f"a {value} b"]))
    yield "html", html.escape(f"a {value} b")
    yield "html", xml.sax.saxutils.escape(f"a {value} b")
    yield "python-repr", repr(f"a {value} b")
    yield "python-repr", ascii(f"a {value} b")
    yield "python-repr", repr(f"a {value} b".encode())
    yield "shell-single", shlex.quote(f"a {value} b")
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow([f"a {value} b"])
    yield "doubled-quotes", out.getvalue()
    yield "doubled-quotes", "'" + f"a {value} b".replace("'", "''") + "'"
    yield "hex", f"a {value} b".encode().hex()
    yield "hex", f"a {value} b".encode().hex().upper()
    yield "hex-colon", f"a {value} b".encode().hex(":")


def byte_forms(value):
    for form, text in text_forms(value):
        yield form, text.encode()
    for before in ("", "x", "xy", "xyz"):
        data = f"{before}{value} b".encode()
        yield "base64", base64.standard_b64encode(data)
        yield "base64url", base64.urlsafe_b64encode(data)
        yield "base64-twice", base64.b64encode(base64.b64encode(data))
    yield "utf-16le", f"a {value} b".encode("utf-16-le")
    yield "utf-16be", f"a {value} b".encode("utf-16-be")
    quoted = "shell-ansi-c" if not value.isprintable() else "shell-backslash"
    yield quoted, bash("printf %q \"$1\"", value)
    quoted = "shell-ansi-c" if not value.isprintable() else "shell-single"
    yield quoted, bash("printf %s \"${1@Q}\"", value)


def main():
    entries = []
    for value in [*values(), str(uuid.UUID(int=random.getrandbits(128), version=4))]:
        for form, text in byte_forms(value):
            entries.append({"value": value, "form": form, "text": base64.b64encode(text).decode()})
    json.dump(entries, sys.stdout, indent=0)
    print()


if __name__ == "__main__":
    main()
