#!/usr/bin/env python3
"""Keeps the inputs that the fuzz targets found worth keeping, one file a target.

    fuzz/corpus.py unpack        fuzz/kept/TARGET.txt -> fuzz/corpus/TARGET/
    fuzz/corpus.py pack          the other way: 400 of them, small and large

A line is an input in base64. The tests of the masker replay kept/mask.txt.
"""
import base64
import hashlib
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
KEPT = 400


def unpack():
    for kept in sorted((HERE / "kept").glob("*.txt")):
        corpus = HERE / "corpus" / kept.stem
        corpus.mkdir(parents=True, exist_ok=True)
        for line in kept.read_text().split():
            data = base64.b64decode(line)
            (corpus / hashlib.sha1(data).hexdigest()).write_bytes(data)


def pack():
    (HERE / "kept").mkdir(exist_ok=True)
    for corpus in sorted((HERE / "corpus").iterdir()):
        inputs = sorted({path.read_bytes() for path in corpus.iterdir()}, key=lambda data: (len(data), data))
        inputs = [data for data in inputs if data]
        spread = range(0, len(inputs), max(1, len(inputs) // KEPT))
        lines = (base64.b64encode(inputs[index]).decode() for index in spread)
        (HERE / "kept" / f"{corpus.name}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    {"unpack": unpack, "pack": pack}.get(" ".join(sys.argv[1:]), lambda: sys.exit(__doc__))()
