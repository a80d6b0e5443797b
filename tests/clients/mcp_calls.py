"""Starts AWS's MCP server, calls its tools and prints their answers; runs in the clients' environment.

Reads calls from the standard input, one a line: a JSON list of a tool's name and its arguments.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

SERVER = Path(sys.executable).with_name("awslabs.aws-healthomics-mcp-server")


async def call_tools() -> None:
    parameters = StdioServerParameters(command=str(SERVER), env=dict(os.environ))
    async with stdio_client(parameters) as (reader, writer), ClientSession(reader, writer) as session:
        await session.initialize()
        while line := await asyncio.to_thread(sys.stdin.readline):
            answer = await session.call_tool(*json.loads(line))
            print(json.dumps("\n".join(content.text for content in answer.content)), flush=True)


asyncio.run(call_tools())
