"""MLServer runtimes over onnxruntime: tensors in and out, and pictures in."""

import base64
import io

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from PIL import Image


def session(path):
    options = onnxruntime.SessionOptions()
    # As graft does it: threads that spin take the processor from the server.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options)


class OnnxModel(MLModel):
    async def load(self):
        self.session = session(self.settings.parameters.uri)
        self.output_names = [output.name for output in self.session.get_outputs()]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        feeds = {one.name: NumpyCodec.decode_input(one) for one in payload.inputs}
        return self.answer(self.session.run(None, feeds))

    def answer(self, values):
        outputs = [NumpyCodec.encode_output(name, value) for name, value in zip(self.output_names, values)]
        return InferenceResponse(model_name=self.name, outputs=outputs)


class OnnxPictureModel(OnnxModel):
    """One picture as BYTES: raw over gRPC, base64 in JSON; decoded and resized as graft does it for this model."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        [content] = payload.inputs[0].data.root
        encoded = content if isinstance(content, bytes) else content.encode()
        raw = encoded if encoded[:2] == b"\xff\xd8" else base64.b64decode(encoded)
        entry = self.session.get_inputs()[0]
        _, _, height, width = entry.shape
        extra = self.settings.parameters.extra or {}
        how = Image.Resampling[extra.get("resize", "NEAREST")]
        picture = Image.open(io.BytesIO(raw)).convert("RGB").resize((width, height), how)
        pixels = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1)[None]
        if extra.get("centred"):
            pixels = pixels / np.float32(127.5) - np.float32(1)
        return self.answer(self.session.run(None, {entry.name: pixels}))
