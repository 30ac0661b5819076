"""Asks a running server with KServe's own clients. Arguments: HTTP port, gRPC port.

The server has the model "add" (y = x + 1 over [N, 3]). Prints a JSON object. Apart from Triton's clients: the two
packages define the same messages, and cannot be loaded together.
"""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.inference_client import InferenceGRPCClient

http_port, grpc_port = sys.argv[1:]
x = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


async def kserve_rest():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    base = f"http://127.0.0.1:{http_port}"
    assert await client.is_server_live(base) and await client.is_server_ready(base)
    assert await client.is_model_ready(base, "add")
    answers = []
    for binary in (False, True):
        given = InferInput(name="x", shape=[2, 3], datatype="FP32")
        given.set_data_from_numpy(x, binary_data=binary)
        result = await client.infer(base, InferRequest(model_name="add", infer_inputs=[given]), model_name="add")
        answers.append(result.outputs[0].as_numpy().tolist())
    return answers


async def kserve_grpc():
    client = InferenceGRPCClient(f"127.0.0.1:{grpc_port}")
    assert await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready("add")
    given = InferInput(name="x", shape=[2, 3], datatype="FP32")
    given.set_data_from_numpy(x, binary_data=True)
    result = await client.infer(InferRequest(model_name="add", infer_inputs=[given]))
    answer = result.outputs[0].as_numpy().tolist()
    await client.close()
    return answer


print(json.dumps({"kserve REST": asyncio.run(kserve_rest()), "kserve gRPC": asyncio.run(kserve_grpc())}))
