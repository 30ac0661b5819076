"""Asks a running server with Triton's own clients. Arguments: HTTP port, gRPC port, a picture's path.

The server has the model "add" (y = x + 1 over [N, 3]) and "colours" (mean red, green and blue of a picture).
Prints a JSON object: what each client was answered. Anything unexpected raises.
"""

import json
import sys

import numpy as np
import tritonclient.grpc as tg
import tritonclient.http as th

http_port, grpc_port, picture = sys.argv[1:]
x = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


def triton(module, client, **options):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("add", "1")
    metadata = client.get_server_metadata()
    model = client.get_model_metadata("add")
    config = client.get_model_config("add")
    given = module.InferInput("x", [2, 3], "FP32")
    given.set_data_from_numpy(x)
    result = client.infer("add", [given], request_id="7", **options)
    classes = client.infer("add", [given], outputs=[module.InferRequestedOutput("y", class_count=1)])
    with open(picture, "rb") as file:
        image = module.InferInput("image", [1], "BYTES")
        image.set_data_from_numpy(np.array([file.read()], np.object_))
    colours = client.infer("colours_image", [image]).as_numpy("scores")
    try:
        client.infer("add", [])
        raise AssertionError("a request without inputs was answered")
    except module.InferenceServerException as fault:
        refusal = fault.message()
    statistics = client.get_inference_statistics("add")
    index = client.get_model_repository_index()
    client.unload_model("add")
    assert not client.is_model_ready("add")
    client.load_model("add")
    assert client.is_model_ready("add")
    is_http = module is th
    return {
        "server": metadata["name"] if is_http else metadata.name,
        "versions": list(model["versions"] if is_http else model.versions),
        "max_batch_size": config["max_batch_size"] if is_http else config.config.max_batch_size,
        "y": result.as_numpy("y").tolist(),
        "classes": [text.decode() for text in classes.as_numpy("y").ravel()],
        "colours": np.round(colours.astype(np.float64), 2).ravel().tolist(),
        "refusal": refusal,
        "inferences": int((statistics["model_stats"][0]["inference_count"]) if is_http else statistics.model_stats[0].inference_count),
        "models": sorted({one["name"] for one in index} if is_http else {one.name for one in index.models}),
    }


http = th.InferenceServerClient(f"127.0.0.1:{http_port}")
grpc = tg.InferenceServerClient(f"127.0.0.1:{grpc_port}")
print(
    json.dumps(
        {
            "tritonclient.http": triton(th, http),
            "compressed": triton(
                th, http, request_compression_algorithm="gzip", response_compression_algorithm="deflate"
            )["y"],
            "tritonclient.grpc": triton(tg, grpc),
        }
    )
)
