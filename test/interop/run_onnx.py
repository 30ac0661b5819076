"""Checks an ONNX model and runs it in Python: onnxruntime, and ONNX's own reference implementation.

Standard input: JSON {"model": path, "feed": path of an .npy file, "reference": how many samples the slow reference runs}.
Standard output: JSON {"opset", "runtime": numbers, "reference": numbers}, of the model's first output.
"""

import json
import sys

import numpy
import onnx
import onnx.reference
import onnxruntime

job = json.load(sys.stdin)
onnx.checker.check_model(job["model"], full_check=True)
model = onnx.load(job["model"])
feed = numpy.load(job["feed"])
name = model.graph.input[0].name

session = onnxruntime.InferenceSession(job["model"], providers=["CPUExecutionProvider"])
runtime = session.run(None, {name: feed})[0]

samples = job["reference"]
reference = onnx.reference.ReferenceEvaluator(model).run(None, {name: feed[:samples]})[0] if samples else numpy.zeros(0)

answer = {
    "opset": [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")][0],
    "runtime": runtime.astype(float).ravel().tolist(),
    "reference": reference.astype(float).ravel().tolist(),
}
json.dump(answer, sys.stdout)
