import type { GraphBuilder, Node } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import type { GradientRules } from './rule.ts';
import { unsupportedForm } from './rule.ts';

/** Gradients of convolution and of batch normalisation with frozen statistics, in forms that every provider runs. */
export const convolutions = {
  Conv: (node, dy, graph) => {
    if (node.attributes.group !== 1) throw unsupportedForm(node, 'with groups');
    const bias = node.inputs[2] && summedButChannels(graph, dy);
    return [inputGradient(node, dy, graph), kernelGradient(node, dy, graph), bias];
  },
  // The running mean and variance are counted, not learned.
  BatchNormalization: ({ inputs, attributes: { epsilon } }, dy, graph) => {
    const [x, scale, , mean, variance] = inputs;
    const channel = (value: Value): Value =>
      graph.add('Reshape', [
        value,
        graph.integers('shape', [-1, ...x.shape.slice(2).map(() => 1)]),
      ]);
    const safe = graph.add('Add', [variance, graph.floats('epsilon', [epsilon])]);
    const deviation = channel(graph.add('Sqrt', [safe]));
    const dyPerDeviation = graph.add('Div', [dy, deviation]);
    const centred = graph.add('Sub', [x, channel(mean)]);
    return [
      graph.add('Mul', [dyPerDeviation, channel(scale)]),
      summedButChannels(graph, graph.add('Mul', [dyPerDeviation, centred])),
      summedButChannels(graph, dy),
      undefined,
      undefined,
    ];
  },
} satisfies GradientRules;

function summedButChannels(graph: GraphBuilder, x: Value): Value {
  const axes = x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  return graph.add('ReduceSum', [x, graph.integers('axes', axes)], { keepdims: 0 });
}

function spatialSizes(node: Node, value: Value): number[] {
  return value.shape.slice(2).map((dim) => {
    if (typeof dim === 'number') return dim;
    throw unsupportedForm(node, `over [${value.shape.join(', ')}]`);
  });
}

/** dX: the transposed convolution of dy by the same kernel; what the stride left over is padded. */
function inputGradient(node: Node<'Conv'>, dy: Value, graph: GraphBuilder): Value {
  const [x, w] = node.inputs;
  const { kernel_shape, strides, pads, dilations, group } = node.attributes;
  const sizes = spatialSizes(node, x);
  const out = spatialSizes(node, dy);
  const output_padding = sizes.map((size, i) => {
    const kernel = ((kernel_shape[i] ?? 1) - 1) * (dilations[i] ?? 1) + 1;
    const padded = size + (pads[i] ?? 0) + (pads[i + sizes.length] ?? 0);
    return padded - ((out[i] ?? 1) - 1) * (strides[i] ?? 1) - kernel;
  });
  const attributes = { kernel_shape, strides, pads, dilations, group, output_padding };
  return graph.add('ConvTranspose', [dy, w], attributes);
}

/** dW: x and dy with batch and channels swapped, convolved with stride and dilation swapped; the overhang is cut off. */
function kernelGradient(node: Node<'Conv'>, dy: Value, graph: GraphBuilder): Value {
  const [x] = node.inputs;
  const { kernel_shape, strides, pads, dilations, group } = node.attributes;
  const perm = x.shape.map((_, axis) => (axis < 2 ? 1 - axis : axis));
  const swapped = (value: Value): Value => graph.add('Transpose', [value], { perm });
  const product = graph.add('Conv', [swapped(x), swapped(dy)], {
    kernel_shape: spatialSizes(node, dy),
    strides: dilations,
    dilations: strides,
    pads,
    group,
  });
  const cut = graph.add('Slice', [
    product,
    graph.integers(
      'starts',
      kernel_shape.map(() => 0),
    ),
    graph.integers('ends', kernel_shape),
    graph.integers(
      'axes',
      kernel_shape.map((_, i) => i + 2),
    ),
  ]);
  return swapped(cut);
}
