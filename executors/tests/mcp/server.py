"""A server for the tests of MCP, with the library of the protocol's authors.

`server.py` speaks over standard input and output. `server.py http TOKEN LOG` listens on a port of its own choice, which it
prints, wants `Authorization: Bearer TOKEN`, and writes each request's method and path into LOG.
"""

import json
import os
import socket
import sys

from mcp.server import MCPServer

server = MCPServer("tests")


@server.tool()
def echo(text: str) -> str:
    """Gives back what it gets."""
    print("echo was called", file=sys.stderr)
    return text


@server.tool()
def add(a: int, b: int) -> dict[str, int]:
    """Adds."""
    return {"sum": a + b}


@server.tool()
def variable(name: str) -> str:
    """A variable of its environment; without a name all of their names."""
    if name:
        return os.environ.get(name, "")
    return " ".join(sorted(os.environ))


@server.tool()
def fail(text: str) -> str:
    """Fails."""
    from mcp.server.mcpserver.exceptions import ToolError

    print(text, file=sys.stderr)
    raise ToolError(text)


def guarded(app, token, log):
    async def answer(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{scope['method']} {scope['path']}\n")
        if dict(scope["headers"]).get(b"authorization") == f"Bearer {token}".encode():
            return await app(scope, receive, send)
        body = json.dumps({"error": "canary-4711"}).encode()
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return answer


if len(sys.argv) == 1:
    server.run("stdio")
else:
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    is_json = sys.argv[1] == "http-json"
    app = guarded(server.streamable_http_app(json_response=is_json), sys.argv[2], sys.argv[3])
    config = uvicorn.Config(app, log_level="critical")
    uvicorn.Server(config).run(sockets=[listener])
