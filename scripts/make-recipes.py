"""Writes recipes of keras.applications to models/, from the models that a real Keras builds.

    python scripts/make-recipes.py models NET...

Keras 2.2.4 with keras-applications 1.0.8 and TensorFlow 1.15.5 (Python 3.7): vgg16 vgg19 resnet50 inception-v3 xception
mobilenet mobilenet-v2 densenet121. Keras 3.15.1: resnet50-v2-names efficientnet-b0. No weights are downloaded.
Also prints the parameter counts that test/keras/applications.test.ts states.
"""
import json
import sys

import keras

A = keras.applications
# name: (function, title, preprocess, size, first layer of the top)
NETS = {
    'vgg16': ('VGG16', 'VGG16 of keras.applications', 'caffe', 224, 'flatten'),
    'vgg19': ('VGG19', 'VGG19 of keras.applications', 'caffe', 224, 'flatten'),
    'resnet50': ('ResNet50', 'ResNet50 of keras.applications up to 1.0.7 and Keras 1 and 2', 'caffe', 224, 'avg_pool'),
    'resnet50-v2-names': ('ResNet50', 'ResNet50 of tf.keras 2 and Keras 3', 'caffe', 224, 'avg_pool'),
    'inception-v3': ('InceptionV3', 'InceptionV3 of keras.applications', 'tf', 299, 'avg_pool'),
    'xception': ('Xception', 'Xception of keras.applications', 'tf', 299, 'avg_pool'),
    'mobilenet': ('MobileNet', 'MobileNet (1.0, 224) of keras.applications', 'tf', 224, 'global_average_pooling2d'),
    'mobilenet-v2': ('MobileNetV2', 'MobileNetV2 (1.0, 224) of keras.applications', 'tf', 224, 'global_average_pooling2d'),
    'densenet121': ('DenseNet121', 'DenseNet121 of keras.applications', 'torch', 224, 'avg_pool'),
    'efficientnet-b0': ('EfficientNetB0', 'EfficientNetB0 of keras.applications: takes RGB 0..255', 'none', 224, 'avg_pool'),
}
# What is worth saying; all else is the default in every Keras, or does not matter to what a layer computes.
KEEP = {
    'Conv2D': ['filters', 'kernel_size', 'strides', 'padding', 'use_bias', 'activation'],
    'SeparableConv2D': ['filters', 'kernel_size', 'strides', 'padding', 'use_bias', 'activation', 'depth_multiplier'],
    'DepthwiseConv2D': ['kernel_size', 'strides', 'padding', 'use_bias', 'activation', 'depth_multiplier'],
    'Dense': ['units', 'use_bias', 'activation'],
    'BatchNormalization': ['axis', 'epsilon', 'scale', 'center'],
    'Activation': ['activation'],
    'ReLU': ['max_value'],
    'MaxPooling2D': ['pool_size', 'strides', 'padding'],
    'AveragePooling2D': ['pool_size', 'strides', 'padding'],
    'ZeroPadding2D': ['padding'],
    'Concatenate': ['axis'],
    'Dropout': ['rate'],
    'Reshape': ['target_shape'],
    'Rescaling': ['scale', 'offset'],
    'Normalization': ['axis'],
    'GlobalAveragePooling2D': ['keepdims'],
    'Flatten': [], 'Add': [], 'Multiply': [],
}
DEFAULTS = {'padding': 'valid', 'use_bias': True, 'activation': 'linear', 'depth_multiplier': 1, 'scale': True,
            'center': True, 'keepdims': False, 'offset': 0.0}


def config_of(layer):
    kind = layer.__class__.__name__
    saved = plain(layer.get_config())
    config = {}
    for key in KEEP[kind]:
        value = saved.get(key)
        value = list(value) if isinstance(value, tuple) else value
        # Pools step by their own size where they do not say.
        if key == 'strides' and value in ([1, 1], None) and not kind.endswith('Pooling2D'):
            continue
        if value is None or (key in DEFAULTS and value == DEFAULTS[key] and kind not in ('Rescaling', 'ZeroPadding2D')):
            continue
        if key == 'axis':
            value = '$channels'
        if kind == 'Rescaling' and key == 'offset' and value == 0.0:
            continue
        config[key] = value
    return kind, config


def plain(value):
    return json.loads(json.dumps(value, default=float))


def inputs_of(model, layer):
    spec = {entry['name']: entry for entry in plain(model.get_config())['layers']}
    nodes = spec[layer.name]['inbound_nodes'][0]
    if isinstance(nodes, list):
        return [ref[0] for ref in nodes]
    found = []

    def walk(value):
        if isinstance(value, dict) and value.get('class_name') == '__keras_tensor__':
            found.append(value['config']['keras_history'][0])
        elif isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
    walk(nodes['args'])
    return found


def recipe(name):
    function, title, preprocess, size, first = NETS[name]
    keras.backend.clear_session()
    model = getattr(A, function)(weights=None)
    spec = {entry['name']: entry for entry in plain(model.get_config())['layers']}
    layers, before, top = [], None, []
    for layer in model.layers:
        if not spec[layer.name]['inbound_nodes']:
            before = layer.name
            source = layer.name
            continue
        kind, config = config_of(layer)
        entry = {'name': layer.name, 'class': kind}
        weights = [list(int(d) for d in w.shape) for w in layer.get_weights()]
        if config:
            entry['config'] = config
        if weights:
            entry['weights'] = weights
        inputs = inputs_of(model, layer)
        if inputs != [before]:
            entry['inputs'] = ['input' if one == source else one for one in inputs]
        if layer.name == first or top or (layer is model.layers[-1]):
            top.append(layer.name)
        elif first.startswith('global') and kind == 'GlobalAveragePooling2D':
            top.append(layer.name)
        before = layer.name
        layers.append(entry)
    last = layers[-1]
    classes = last.get('config', {}).get('units')
    for entry in layers:
        units = entry.get('config', {})
        for key in ('units', 'filters'):
            if entry['name'] in top and units.get(key) == 1000:
                units[key] = '$classes'
                entry['weights'] = [['$classes' if d == 1000 else d for d in shape] for shape in entry['weights']]
        target = units.get('target_shape')
        if target == [1000]:
            units['target_shape'] = ['$classes']
    if name == 'efficientnet-b0':
        at = [entry['class'] for entry in layers].index('Normalization') + 1
        # keras/applications/efficientnet.py: only with weights="imagenet", whose variances are standard deviations.
        layers.insert(at, {'name': 'rescaling_1', 'class': 'Rescaling',
                           'config': {'scale': [1 / s ** 0.5 for s in (0.229, 0.224, 0.225)]}})
    head = {
        'title': title, 'resize': 'nearest', 'preprocess': preprocess, 'labels': {'1000': 'imagenet'},
        'input': {'channels': 3, 'size': size}, 'top': top,
    }
    text = json.dumps(head, indent=2)[:-2] + ',\n  "layers": [\n'
    text += ',\n'.join('    ' + json.dumps(entry) for entry in layers) + '\n  ]\n}\n'
    with open('%s/%s.json' % (sys.argv[1], name), 'w') as file:
        file.write(text)
    keras.backend.clear_session()
    bare = getattr(A, function)(weights=None, include_top=False, input_shape=(size, size, 3))
    print("  ['%s', %d, %d]," % (name, model.count_params(), bare.count_params()))


for net in sys.argv[2:]:
    recipe(net)
