"""Converts Keras files with tf2onnx, for bench/tf2onnx.mjs.

    python bench/tf2onnx_models.py OUT NAME=FILE [NAME=FILE ...]

Writes OUT/NAME.tf2onnx.onnx, opset 17, through the file's own Keras model. Prints one line of JSON with the versions.
Needs tensorflow 2.15 (whose Keras still loads .h5 of Keras 2) and tf2onnx.
"""

import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import tensorflow
import tf2onnx


def main():
    out = sys.argv[1]
    for argument in sys.argv[2:]:
        name, path = argument.split("=", 1)
        model = tensorflow.keras.models.load_model(path, compile=False)
        target = os.path.join(out, f"{name}.tf2onnx.onnx")
        tf2onnx.convert.from_keras(model, opset=17, output_path=target)
    print(json.dumps({"tf2onnx": tf2onnx.__version__, "tensorflow": tensorflow.__version__}))


if __name__ == "__main__":
    main()
