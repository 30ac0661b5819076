import type { GraphBuilder } from '../../../onnx/graph.ts';
import type { Shape, TensorSource, Value } from '../../../tensor.ts';
import { defineLayer, type Layer } from '../../layer.ts';
import { elementwise, kerasTensor } from '../../layout.ts';

/** A number for each feature of a sample; 1 along axes that share theirs, which Keras 1 does not save: the file tells. */
function featureShape(input: Shape, found: readonly number[] | undefined): readonly number[] {
  return input.slice(1).map((dim, axis) => (found?.[axis] === 1 ? 1 : Number(dim)));
}

/** ParametricSoftplus: alpha · softplus(beta · x). Source: keras/layers/advanced_activations.py of 0.3.3 and 1.2.2. */
export const parametricSoftplus: Layer = defineLayer({
  keras: ['ParametricSoftplus'],
  mask: 'passes',
  read: () => undefined,
  weights: (_, input, [alphas, betas]) => ({
    alphas: featureShape(input, alphas),
    betas: featureShape(input, betas),
  }),
  emit({ input, weights, parameter, graph, layouts }) {
    const x = layouts.keras(input);
    const inner = graph.add('Mul', [x.value, parameter('betas', weights.betas)]);
    const soft = graph.add('Softplus', [inner]);
    return elementwise(x, graph.add('Mul', [soft, parameter('alphas', weights.alphas)]));
  },
});

/**
 * SReLU: straight in the middle, with a learned slope on either side: below t_left, and above t_left + |t_right|.
 *
 * The two backends of Keras 1 differ where a_left is negative: Theano bounds the left part too. Source:
 * keras/layers/advanced_activations.py and K.relu of 1.2.2.
 */
export const sRelu: Layer = defineLayer({
  keras: ['SReLU'],
  mask: 'passes',
  read: () => undefined,
  weights: (_, input, [t, a, u, b]) => ({
    t_left: featureShape(input, t),
    a_left: featureShape(input, a),
    t_right: featureShape(input, u),
    a_right: featureShape(input, b),
  }),
  emit({ input, weights, parameter, graph, layouts, origin }) {
    const x = layouts.keras(input).value;
    const add = (name: string, source: TensorSource): Value => parameter(name, source);
    const left = add('t_left', weights.t_left);
    const width = graph.add('Abs', [add('t_right', weights.t_right)]);
    const shifted = graph.add('Sub', [x, left]);
    const slope = add('a_left', weights.a_left);
    const isBoundedLeft = origin.kernels === 'theano';
    const centre = leftAndCentre(graph, { shifted, slope, width, isBoundedLeft });
    const beyond = graph.add('Relu', [graph.add('Sub', [shifted, width])]);
    const right = graph.add('Mul', [beyond, add('a_right', weights.a_right)]);
    return kerasTensor(graph.add('Add', [graph.add('Add', [left, centre]), right]));
  },
});

function leftAndCentre(
  graph: GraphBuilder,
  parts: {
    readonly shifted: Value;
    readonly slope: Value;
    readonly width: Value;
    readonly isBoundedLeft: boolean;
  },
): Value {
  const { shifted, slope, width, isBoundedLeft } = parts;
  if (isBoundedLeft) {
    return graph.add('Min', [graph.add('PRelu', [shifted, slope]), width]);
  }
  const centre = graph.add('Min', [graph.add('Relu', [shifted]), width]);
  const below = graph.add('Min', [shifted, graph.floats('zero', [0])]);
  return graph.add('Add', [centre, graph.add('Mul', [below, slope])]);
}
