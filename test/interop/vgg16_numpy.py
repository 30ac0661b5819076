"""fast.ai's VGG16 in plain NumPy, straight from its .h5: an answer that no converter and no runtime had a part in.

Usage: vgg16_numpy.py vgg16.h5 pixels.npy
pixels: [N, 3, 224, 224], RGB, 0 to 255. Prints the probabilities as JSON. Narrower and smaller networks of the same
layers are computed as well.

The file is Keras 1's on Theano: kernels [out, in, 3, 3] of a true convolution, that is turned by 180 degrees when they
are laid over the picture; Dense kernels [in, out]; each convolution after a zero padding of 1.
"""

import json
import sys

import h5py
import numpy as np

MEAN_RGB = np.array([123.68, 116.779, 103.939], dtype=np.float32).reshape(3, 1, 1)
CONVOLUTIONS_PER_BLOCK = [2, 2, 3, 3, 3]


def weights_in_order(path):
    """All (kernel, bias) pairs in the order in which Keras saved the layers."""
    with h5py.File(path, "r") as file:
        root = file["model_weights"] if "model_weights" in file else file
        for layer in root.attrs["layer_names"]:
            group = root[layer.decode() if isinstance(layer, bytes) else layer]
            arrays = [group[name][()] for name in group.attrs["weight_names"]]
            if arrays:
                kernel, bias = arrays
                yield kernel, bias


def convolve(x, kernel, bias):
    """x [C, H, W], kernel [M, C, 3, 3] -> [M, H, W]: padded by 1, stride 1, the kernel turned."""
    channels, height, width = x.shape
    turned = kernel[:, :, ::-1, ::-1]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    y = np.zeros((len(bias), height * width), dtype=np.float32)
    for row in range(3):
        for column in range(3):
            part = padded[:, row : row + height, column : column + width]
            y += turned[:, :, row, column] @ part.reshape(channels, -1)
    return (y + bias[:, None]).reshape(-1, height, width)


def max_pool(x):
    channels, height, width = x.shape
    return x.reshape(channels, height // 2, 2, width // 2, 2).max(axis=(2, 4))


def probabilities(image, weights):
    x = (image.astype(np.float32) - MEAN_RGB)[::-1]
    convolutions = sum(CONVOLUTIONS_PER_BLOCK)
    pairs = iter(weights[:convolutions])
    for count in CONVOLUTIONS_PER_BLOCK:
        for _ in range(count):
            x = np.maximum(convolve(x, *next(pairs)), 0)
        x = max_pool(x)
    x = x.reshape(-1)
    *hidden, (last_kernel, last_bias) = weights[convolutions:]
    for kernel, bias in hidden:
        x = np.maximum(x @ kernel + bias, 0)
    x = x @ last_kernel + last_bias
    x = np.exp(x - x.max())
    return x / x.sum()


images = np.load(sys.argv[2])
weights = list(weights_in_order(sys.argv[1]))
json.dump([probabilities(image, weights).astype(float).tolist() for image in images], sys.stdout)
