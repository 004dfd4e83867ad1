"""gRPC's C core (by Python) as a peer of apps/grpc-echo.mjs and apps/grpc-driver.mjs, with messages in JSON.

    grpc-peer.py serve            the same service on 127.0.0.1:$PORT
    grpc-peer.py call TARGET      one call of each kind, as a line of JSON
"""

import json
import os
import signal
import sys
import threading
from concurrent import futures

import grpc

SERVICE = "weft.test.Echo"
MAX_BYTES = 64 * 1024 * 1024
OPTIONS = [("grpc.max_receive_message_length", MAX_BYTES), ("grpc.max_send_message_length", MAX_BYTES)]


def to_bytes(value):
    return json.dumps(value).encode()


def echo_metadata(context, prefix):
    received = context.invocation_metadata()
    return [(f"{prefix}-{key}", value) for key, value in received if key.startswith("x-test")]


def unary(request, context):
    context.set_trailing_metadata(echo_metadata(context, "trailer"))
    if request.get("status", 0) != 0:
        code = next(code for code in grpc.StatusCode if code.value[0] == request["status"])
        context.abort(code, request.get("details", ""))
    context.send_initial_metadata(echo_metadata(context, "initial"))
    return {
        "instance": f"python {os.getpid()}",
        "message": request.get("message", ""),
        "payload": "x" * request.get("replyBytes", 0),
        "authority": None,
        "deadline": context.time_remaining() is not None and context.time_remaining() < 1e6,
    }


def client_stream(requests, _context):
    messages = [len(request["message"]) for request in requests]
    return {"messages": len(messages), "bytes": sum(messages)}


def server_stream(request, context):
    for index in range(request.get("count", 1)):
        if index == request.get("failAfter", -1):
            context.abort(grpc.StatusCode.DATA_LOSS, f"failed after {index}")
        yield {"index": index, "payload": "x" * request.get("replyBytes", 0)}


def bidi(requests, context):
    context.send_initial_metadata(echo_metadata(context, "initial"))
    context.set_trailing_metadata(echo_metadata(context, "trailer"))
    for request in requests:
        yield {"message": request["message"]}


def serve():
    kinds = {
        "unary": grpc.unary_unary_rpc_method_handler(unary, json.loads, to_bytes),
        "clientStream": grpc.stream_unary_rpc_method_handler(client_stream, json.loads, to_bytes),
        "serverStream": grpc.unary_stream_rpc_method_handler(server_stream, json.loads, to_bytes),
        "bidi": grpc.stream_stream_rpc_method_handler(bidi, json.loads, to_bytes),
    }
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, kinds),))
    port = server.add_insecure_port(f"127.0.0.1:{os.environ.get('PORT', '0')}")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    server.start()
    print(f"grpc-peer listens on {port}", flush=True)
    ended.wait()
    server.stop(grace=None)


def call(target):
    with grpc.insecure_channel(target, options=OPTIONS) as channel:

        def method(kind, name):
            return getattr(channel, kind)(f"/{SERVICE}/{name}", to_bytes, json.loads)

        result = {}
        metadata = [("x-test-text", "from python"), ("x-test-data-bin", bytes(range(256)))]
        reply, done = method("unary_unary", "unary").with_call({"message": "hello"}, metadata=metadata, timeout=20)
        trailers = dict(done.trailing_metadata())
        result["unary"] = [
            reply["message"],
            trailers.get("trailer-x-test-text"),
            trailers.get("trailer-x-test-data-bin") == bytes(range(256)),
        ]
        large = "m" * (4 * 1024 * 1024)
        reply = method("unary_unary", "unary")({"message": large, "replyBytes": len(large)}, timeout=20)
        result["large"] = [len(reply["message"]), len(reply["payload"])]
        reply = method("stream_unary", "clientStream")(iter([{"message": "y" * 1000}] * 50), timeout=20)
        result["clientStream"] = [reply["messages"], reply["bytes"]]
        replies = list(method("unary_stream", "serverStream")({"count": 100, "replyBytes": 1000}, timeout=20))
        result["serverStream"] = [len(replies), sum(len(reply["payload"]) for reply in replies)]
        replies = method("stream_stream", "bidi")(iter([{"message": str(index)} for index in range(20)]), timeout=20)
        result["bidi"] = [reply["message"] for reply in replies]
        try:
            method("unary_unary", "unary")({"status": 5, "details": "nothing: größer %"}, timeout=20)
        except grpc.RpcError as error:
            result["error"] = [error.code().name, error.details()]
        print(json.dumps(result), flush=True)


def status_of(target):
    """The code and details of one call, for those that fail."""
    with grpc.insecure_channel(target) as channel:
        try:
            channel.unary_unary(f"/{SERVICE}/unary", to_bytes, json.loads)({}, timeout=20)
            print(json.dumps(["OK", ""]), flush=True)
        except grpc.RpcError as error:
            print(json.dumps([error.code().name, error.details()]), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    elif sys.argv[1] == "call":
        call(sys.argv[2])
    else:
        status_of(sys.argv[2])
