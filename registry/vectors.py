"""Makes vectors.json from FORMAT.md alone: a second implementation of the format's cryptography.

    pip install pycryptodome && python vectors.py > vectors.json

Keys and nonces are fixed here, and none of them is a secret.
"""
import base64
import hashlib
import hmac
import json

from Crypto.Cipher import ChaCha20_Poly1305

STORE = "00112233445566778899aabbccddeeff"
MASTER = bytes(range(32))
INNER = bytes(range(32, 64))
DEK = bytes(range(64, 96))
CREATED = 1_795_371_964  # 2026-11-22T18:26:04Z


def derive(secret, info):
    key = hmac.new(STORE.encode(), secret, hashlib.sha256).digest()
    return hmac.new(key, info.encode() + b"\x01", hashlib.sha256).digest()


def context(kind, *parts):
    whole = b""
    for part in (kind.encode(), STORE.encode(), *parts):
        whole += len(part).to_bytes(4, "big") + part
    return whole


def number(n):
    return n.to_bytes(8, "big")


def seal(key, aad, plain, nonce_byte):
    nonce = bytes([nonce_byte]) * 24
    cipher = ChaCha20_Poly1305.new(key=key, nonce=nonce)
    cipher.update(aad)
    sealed, tag = cipher.encrypt_and_digest(plain)
    return nonce + sealed + tag


def pad(value):
    whole = len(value).to_bytes(4, "big") + value
    return whole + bytes(-len(whole) % 64)


def b64(data):
    return base64.b64encode(data).decode()


def entry(workspace, environment, ref, n, value):
    where = (workspace.encode(), environment.encode(), ref.encode(), number(n), number(CREATED))
    dek = seal(KEK, context("subrosa/dek/1", *where, KEY_ID.encode()), DEK, 1)
    sealed = seal(DEK, context("subrosa/value/1", *where), pad(value), 2)
    time = "2026-11-22T18:26:04Z"
    version = {"n": n, "created": time, "by": "ada", "dek": b64(dek), "value": b64(sealed)}
    fields = {"state": "active", "created": time, "updated": time, "last": n, "versions": [version]}
    return "%s\t%s\t%s\t%s\n" % (ref, workspace, environment, json.dumps(fields, separators=(",", ":")))


def record():
    """A record whose part was written by the version before it."""
    where = (b"payments", b"", b"connection:jira", number(1), number(CREATED), b"api_token")
    dek = seal(KEK, context("subrosa/part-dek/1", *where, KEY_ID.encode()), DEK, 5)
    part = {"n": 1, "created": "2026-11-22T18:26:04Z", "dek": b64(dek),
            "value": b64(seal(DEK, context("subrosa/part/1", *where), pad(b"correct horse"), 6))}
    version = {"n": 2, "created": "2026-11-22T18:27:00Z", "by": "ada", "public": "{}", "parts": {"api_token": part}}
    fields = {"state": "active", "created": "2026-11-22T18:26:04Z", "updated": "2026-11-22T18:27:00Z", "last": 2,
              "versions": [version]}
    line = "connection:jira\tpayments\t\t%s\n" % json.dumps(fields, separators=(",", ":"))
    return {"line": line, "value": "correct horse"}


KEK = derive(MASTER, "subrosa/kek/1")
KEY_ID = derive(MASTER, "subrosa/key-id/1")[:8].hex()
PLACE = derive(INNER, "subrosa/place/1")
NAMES = derive(INNER, "subrosa/names/1")


def place(ref):
    mac = hmac.new(PLACE, ref.encode(), hashlib.sha256).digest()
    return [mac[0] % 64, mac[1] % 64]


def root():
    head = {
        "subrosa": "root", "format": 1, "store": STORE, "key": KEY_ID, "generation": 2,
        "written": "2026-11-22T18:26:04Z", "names": "open",
        "inner": b64(seal(KEK, context("subrosa/inner/1", KEY_ID.encode()), INNER, 3)),
    }
    branch, leaf = place("prod/db-password")
    lines = entry("payments", "prod", "prod/db-password", 3, b"correct horse").encode()
    name = "000000000002-0a0b0c0d"
    leaf_line = "%02x\t%s\t0\t%d\t%s\n" % (leaf, name, len(lines), hashlib.sha256(lines).hexdigest())
    branches = leaf_line.encode()
    branch_line = "%02x\t%s\t%d\t%d\t%s\n" % (
        branch, name, len(lines), len(branches), hashlib.sha256(branches).hexdigest())
    body = json.dumps(head, separators=(",", ":")) + "\n" + branch_line
    mac = hmac.new(derive(MASTER, "subrosa/root-mac/1"), body.encode(), hashlib.sha256).hexdigest()
    return {"root": body + "mac %s\n" % mac, "index": {"name": name, "content": (lines + branches).decode()}}


sealed_leaf = seal(NAMES, context("subrosa/leaf/1", bytes(place("prod/db-password"))), b"the plain lines\n", 4)
print(json.dumps({
    "about": "Made by vectors.py from FORMAT.md. Nothing here is a secret.",
    "store": STORE, "master": MASTER.hex(), "inner": INNER.hex(), "key_id": KEY_ID,
    "derived": {info: derive(MASTER if i < 3 else INNER, info).hex() for i, info in enumerate((
        "subrosa/kek/1", "subrosa/root-mac/1", "subrosa/key-id/1", "subrosa/place/1", "subrosa/names/1",
        "subrosa/audit-mac/1", "subrosa/audit-seal/1", "subrosa/usage/1"))},
    "context": context("subrosa/value/1", b"payments", b"", b"prod/db", number(3), number(CREATED)).hex(),
    "places": {ref: place(ref) for ref in ("prod/db-password", "a", "team/api-key", "connection:jira")},
    "sealed_leaf": {"place": place("prod/db-password"), "plain": "the plain lines\n", "sealed": b64(sealed_leaf)},
    "store_files": root(),
    "record": record(),
    "value": {"ref": "prod/db-password", "workspace": "payments", "environment": "prod", "version": 3, "value": "correct horse"},
}, indent=2))
