"""What the endurance run calls over gRPC: one message for one, and as many back as there come."""

import asyncio
import os
from collections.abc import AsyncIterator

import grpc
import grpc.aio


async def unary(message: bytes, _: object) -> bytes:
    return message


async def both(messages: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
    async for message in messages:
        yield message


async def main() -> None:
    server = grpc.aio.server()
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Both": grpc.stream_stream_rpc_method_handler(both),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo", methods),))
    server.add_insecure_port(f"0.0.0.0:{os.environ['PORT']}")
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
