"""Prints the milliseconds of each epoch of keras.fit on a Dense(2) head, as JSON: python head_epoch.py samples features epochs."""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

count, width, epochs = (int(word) for word in sys.argv[1:4])
features = ((np.arange(count * width) * 7919 % 1000) / 1000).astype("float32").reshape(count, width)
targets = np.eye(2, dtype="float32")[np.arange(count) % 2]
model = keras.Sequential([keras.Input((width,)), keras.layers.Dense(2, activation="softmax")])
model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])


class Times(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.times = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.times.append((time.perf_counter() - self.start) * 1000)


times = Times()
model.fit(features, targets, batch_size=64, epochs=epochs, verbose=0, callbacks=[times])
print(json.dumps(times.times))
