import type { GraphBuilder, Node } from '../../onnx/graph.ts';
import type { Attributes } from '../../onnx/ops.ts';
import type { Value } from '../../tensor.ts';
import type { Convolution } from '../lowering/form.ts';
import { spatialSizes } from '../lowering/geometry.ts';
import type { GradientRules } from './rule.ts';
import { unsupportedForm } from './rule.ts';

/** Gradients of the convolutions. Which operators compute them depends on the provider, see `lowerings`. */
export const convolutions = {
  Conv: (node, dy, graph, { lower }) => {
    const [x, w, bias] = node.inputs;
    const convolution = convolutionOf(node, node.attributes, { x, w, dy });
    return [
      lower.convolutionInput(graph, convolution),
      lower.convolutionKernel(graph, convolution),
      bias && summedButChannels(graph, dy),
    ];
  },
  // y = ConvTranspose(x, w) is the gradient of a convolution of y-like maps to x-like ones by the same kernel.
  ConvTranspose: (node, dy, graph, { lower }) => {
    const [x, w, bias] = node.inputs;
    const { output_padding: _, ...window } = node.attributes;
    const convolution = convolutionOf(node, window, { x: dy, w, dy: x });
    return [
      graph.add('Conv', [dy, w], window),
      lower.convolutionKernel(graph, convolution),
      bias && summedButChannels(graph, dy),
    ];
  },
} satisfies GradientRules;

function convolutionOf(
  node: Node,
  window: Attributes<'Conv'>,
  values: Pick<Convolution, 'x' | 'w' | 'dy'>,
): Convolution {
  const sizes = spatialSizes(values.x);
  const outSizes = spatialSizes(values.dy);
  if (sizes && outSizes) return { window, ...values, sizes, outSizes };
  throw unsupportedForm(node, `over [${values.x.shape.join(', ')}]`);
}

/** The sum over all axes but that of the channels. */
export function summedButChannels(graph: GraphBuilder, x: Value): Value {
  const axes = x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  return graph.add('ReduceSum', [x, graph.integers('axes', axes)], { keepdims: 0 });
}
