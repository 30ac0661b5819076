"""Writes a VGG16 of the course's layout and size (553 MB) with seeded random weights, for timing.

    python bench/make_vgg16.py vgg16.h5 [--seed 0] [--layout k1|k0|k2|k3]

k1: as `save_weights` of Keras 1 on Theano writes the notebook's 38 layers (`layer_names`, `weight_names`).
k0: as Keras 0.3 wrote the 37 layers without the Lambda (`layer_3/param_0`), with their architecture in PATH.json.
k2: as `save` of Keras 2 on TensorFlow writes a whole model, channels last: kernels [3, 3, in, out], and the rows of the
    first Dense run over [7, 7, 512].
k3: the same as a .keras of Keras 3: a zip archive that holds model.weights.h5, stored.

Weights are scaled after He et al. 2015, and those of the first layer by 1/64 more (its input is 0 to 255), so that
activations neither vanish nor overflow. Needs h5py and numpy.
"""

import argparse
import json
import os
import zipfile

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


def architecture_k0():
    for kind, shape in list(layers())[1:]:
        if kind == "zeropadding2d":
            yield {"name": "ZeroPadding2D", "padding": [1, 1]}
        elif kind == "convolution2d":
            size = {"nb_filter": shape[0], "nb_row": 3, "nb_col": 3, "subsample": [1, 1]}
            rest = {"activation": "relu", "border_mode": "valid", "dim_ordering": "th"}
            yield {"name": "Convolution2D"} | size | rest
        elif kind == "maxpooling2d":
            pool = {"pool_size": [2, 2], "strides": [2, 2], "border_mode": "valid"}
            yield {"name": "MaxPooling2D", "dim_ordering": "th"} | pool
        elif kind == "dense":
            activation = "softmax" if shape[1] == 1000 else "relu"
            yield {"name": "Dense", "output_dim": shape[1], "activation": activation}
        else:
            yield {"flatten": {"name": "Flatten"}, "dropout": {"name": "Dropout", "p": 0.5}}[kind]


def write_k0(file, rng):
    parts = list(architecture_k0())
    parts[0]["input_shape"] = [3, 224, 224]
    with open(file.filename + ".json", "w") as architecture:
        json.dump({"name": "Sequential", "layers": parts}, architecture)
    shapes = [shape for _, shape in layers()][1:]
    file.attrs["nb_layers"] = len(shapes)
    for i, shape in enumerate(shapes):
        group = file.create_group(f"layer_{i}")
        group.attrs["nb_params"] = 2 if shape else 0
        for j, numbers in enumerate(weights(rng, shape) if shape else []):
            group.create_dataset(f"param_{j}", data=numbers)


def architecture():
    """Class and config of each layer of the channels-last model, and the shape of its kernel where it has one."""
    channels = 3
    for block, (count, filters) in enumerate(BLOCKS, 1):
        for i in range(1, count + 1):
            config = {"filters": filters, "kernel_size": [3, 3], "strides": [1, 1], "padding": "same"}
            config |= {"data_format": "channels_last", "activation": "relu", "use_bias": True}
            yield "Conv2D", f"block{block}_conv{i}", config, (3, 3, channels, filters)
            channels = filters
        pool = {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid"}
        yield "MaxPooling2D", f"block{block}_pool", pool | {"data_format": "channels_last"}, None
    yield "Flatten", "flatten", {"data_format": "channels_last"}, None
    for i, shape in enumerate(DENSE, 1):
        activation = "relu" if i < len(DENSE) else "softmax"
        config = {"units": shape[1], "activation": activation, "use_bias": True}
        yield "Dense", f"fc{i}" if i < len(DENSE) else "predictions", config, shape


def channels_last_weights(rng, shape):
    fan_in = np.prod(shape[:-1])
    scale = (2 / fan_in) ** 0.5 / (64 if fan_in == 27 else 1)
    kernel = rng.standard_normal(shape, dtype=np.float32)
    kernel *= np.float32(scale)
    return kernel, rng.standard_normal(shape[-1], dtype=np.float32) * np.float32(0.01)


def write_k2(file, rng):
    layers, names = [], []
    group = file.create_group("model_weights")
    for kind, name, config, shape in architecture():
        first = {} if layers else {"batch_input_shape": [None, 224, 224, 3], "dtype": "float32"}
        layers.append({"class_name": kind, "config": {"name": name} | first | config})
        names.append(name.encode())
        inner = group.create_group(name)
        labels = [f"{name}/kernel:0".encode(), f"{name}/bias:0".encode()] if shape else []
        inner.attrs["weight_names"] = np.array(labels) if shape else np.array([])
        for label, numbers in zip(labels, channels_last_weights(rng, shape) if shape else []):
            inner.create_dataset(label.decode(), data=numbers)
    group.attrs["layer_names"] = np.array(names)
    model = {"class_name": "Sequential", "config": {"name": "vgg16", "layers": layers}}
    file.attrs["model_config"] = json.dumps(model).encode()
    for place in (file, group):
        place.attrs["keras_version"] = b"2.2.4"
        place.attrs["backend"] = b"tensorflow"


def write_k3(path, rng):
    batch = {"batch_shape": [None, 224, 224, 3], "dtype": "float32", "name": "input_layer"}
    layers = [{"module": "keras.layers", "class_name": "InputLayer", "config": batch, "registered_name": None}]
    counts = {}
    with h5py.File(path + ".h5", "w") as file:
        for kind, name, config, shape in architecture():
            full = {"module": "keras.layers", "class_name": kind, "config": {"name": name} | config}
            layers.append(full | {"registered_name": None})
            stem = {"Conv2D": "conv2d", "MaxPooling2D": "max_pooling2d"}.get(kind, kind.lower())
            count = counts.get(stem, 0)
            counts[stem] = count + 1
            group = file.create_group(f"layers/{stem}_{count}/vars" if count else f"layers/{stem}/vars")
            group.attrs["name"] = name
            for i, numbers in enumerate(channels_last_weights(rng, shape) if shape else []):
                group.create_dataset(str(i), data=numbers)
    config = {"name": "vgg16", "trainable": True, "layers": layers}
    model = {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.10.0"}))
        archive.writestr("config.json", json.dumps(model))
        archive.write(path + ".h5", "model.weights.h5")
    os.remove(path + ".h5")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layout", choices=["k1", "k0", "k2", "k3"], default="k1")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    if options.layout == "k3":
        write_k3(options.path, rng)
        return
    with h5py.File(options.path, "w") as file:
        {"k1": write_k1, "k0": write_k0, "k2": write_k2}[options.layout](file, rng)


if __name__ == "__main__":
    main()
