"""Writes a whole Keras 2 model of 2.2 GB, one Dense layer, for bench/large.mjs.

    python bench/make_large.py large.h5

kernel[i, j] = ((31 i + 17 j) mod 97) / 97, float32 [22000, 25000]; no bias. Needs h5py and numpy.
"""

import json
import sys

import h5py
import numpy as np

ROWS, COLUMNS, STRIP = 22_000, 25_000, 1_000


def main():
    config = {"name": "dense", "units": COLUMNS, "activation": "linear", "use_bias": False}
    first = {"batch_input_shape": [None, ROWS], "dtype": "float32"}
    layers = [{"class_name": "Dense", "config": first | config}]
    model = {"class_name": "Sequential", "config": {"name": "large", "layers": layers}}
    with h5py.File(sys.argv[1], "w") as file:
        group = file.create_group("model_weights")
        kernel = group.create_dataset("dense/dense/kernel:0", (ROWS, COLUMNS), np.float32)
        column = 17 * np.arange(COLUMNS)
        for start in range(0, ROWS, STRIP):
            row = 31 * np.arange(start, start + STRIP)
            kernel[start : start + STRIP] = ((row[:, None] + column) % 97 / 97).astype(np.float32)
        group["dense"].attrs["weight_names"] = np.array([b"dense/kernel:0"])
        group.attrs["layer_names"] = np.array([b"dense"])
        file.attrs["model_config"] = json.dumps(model).encode()
        for place in (file, group):
            place.attrs["keras_version"] = b"2.2.4"
            place.attrs["backend"] = b"tensorflow"


if __name__ == "__main__":
    main()
