"""Writes a VGG16 of the course's layout and size (553 MB) with seeded random weights, for timing.

    python bench/make_vgg16.py vgg16.h5 [--seed 0] [--notation k1|k0]

k1: as `save_weights` of Keras 1 on Theano writes the notebook's 38 layers (`layer_names`, `weight_names`).
k0: as Keras 0.3 wrote the 37 layers without the Lambda (`layer_3/param_0`).

Weights are scaled after He et al. 2015, and those of the first layer by 1/64 more (its input is 0 to 255), so that
activations neither vanish nor overflow. Needs h5py and numpy.
"""

import argparse

import h5py
import numpy as np

BLOCKS = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]
DENSE = [(25088, 4096), (4096, 4096), (4096, 1000)]


def layers():
    """Kind of each layer, and the shape of its kernel where it has one: [out, in, 3, 3] or [in, out]."""
    yield "lambda", None
    channels = 3
    for count, filters in BLOCKS:
        for _ in range(count):
            yield "zeropadding2d", None
            yield "convolution2d", (filters, channels, 3, 3)
            channels = filters
        yield "maxpooling2d", None
    yield "flatten", None
    for i, shape in enumerate(DENSE):
        if i > 0:
            yield "dropout", None
        yield "dense", shape


def weights(rng, shape):
    fan_in = shape[0] if len(shape) == 2 else shape[1] * 9
    units = shape[1] if len(shape) == 2 else shape[0]
    scale = (2 / fan_in) ** 0.5 / (64 if fan_in == 27 else 1)
    kernel = rng.standard_normal(shape, dtype=np.float32)
    kernel *= np.float32(scale)
    return kernel, rng.standard_normal(units, dtype=np.float32) * np.float32(0.01)


def write_k1(file, rng):
    counts, names = {}, []
    for kind, shape in layers():
        counts[kind] = counts.get(kind, 0) + 1
        name = f"{kind}_{counts[kind]}"
        names.append(name.encode())
        group = file.create_group(name)
        labels = [f"{name}_W".encode(), f"{name}_b".encode()] if shape else []
        group.attrs["weight_names"] = np.array(labels) if shape else np.array([])
        for label, numbers in zip(labels, weights(rng, shape) if shape else []):
            group.create_dataset(label.decode(), data=numbers)
    file.attrs["layer_names"] = np.array(names)


def write_k0(file, rng):
    shapes = [shape for _, shape in layers()][1:]
    file.attrs["nb_layers"] = len(shapes)
    for i, shape in enumerate(shapes):
        group = file.create_group(f"layer_{i}")
        group.attrs["nb_params"] = 2 if shape else 0
        for j, numbers in enumerate(weights(rng, shape) if shape else []):
            group.create_dataset(f"param_{j}", data=numbers)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--notation", choices=["k1", "k0"], default="k1")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with h5py.File(options.path, "w") as file:
        (write_k1 if options.notation == "k1" else write_k0)(file, rng)


if __name__ == "__main__":
    main()
