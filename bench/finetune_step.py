"""Prints the milliseconds of each fine-tuning step of Keras 3, by the clock and of the CPU, as JSON: python finetune_step.py backend network batch steps.

backend: tensorflow or torch. network: block5, the last convolution block of VGG16 and a Dense(2); dense, the Dense
stack of VGG16 with its Dropouts and a Dense(2). Adam; steps are train_on_batch of one batch.
"""

import json
import os
import sys
import time

backend, network = sys.argv[1:3]
batch, steps = (int(word) for word in sys.argv[3:5])
os.environ["KERAS_BACKEND"] = backend
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

layers = keras.layers
if network == "block5":
    # Each backend has the layout that it is fastest with on a CPU.
    shape = (14, 14, 512)
    body = [layers.Conv2D(512, 3, padding="same", activation="relu") for _ in range(3)]
    body += [layers.MaxPooling2D(), layers.Flatten()]
else:
    shape = (25088,)
    body = [layers.Dense(4096, activation="relu"), layers.Dropout(0.5)]
    body += [layers.Dense(4096, activation="relu"), layers.Dropout(0.5)]
model = keras.Sequential([keras.Input(shape), *body, layers.Dense(2, activation="softmax")])
model.compile(keras.optimizers.Adam(1e-5), "categorical_crossentropy")
features = np.random.RandomState(0).rand(batch, *shape).astype("float32")
targets = np.eye(2, dtype="float32")[np.arange(batch) % 2]
times = []
for _ in range(steps):
    start, cpu = time.perf_counter(), time.process_time()
    model.train_on_batch(features, targets)
    wall, used = time.perf_counter() - start, time.process_time() - cpu
    times.append({"clock": wall * 1000, "cpu": used * 1000})
print(json.dumps({"times": times}))
