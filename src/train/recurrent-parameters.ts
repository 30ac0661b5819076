import type { GraphBuilder, Node } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';
import type { NetworkPlan } from './network-plan.ts';
import { numbersFrom } from './weight-numbers.ts';

type Recurrent = Node<'LSTM'> | Node<'GRU'> | Node<'RNN'>;

function isRecurrent(node: Node): node is Recurrent {
  return node.op === 'LSTM' || node.op === 'GRU' || node.op === 'RNN';
}

/**
 * The bias of a recurrent node as Keras has it: once.
 *
 * ONNX adds two biases at the same place, of which a Keras model has one; the other half is zeros and would learn the
 * same, so that both together moved twice as far. So zeros stay zeros, but in a GRU that resets after the product, where
 * the two do different things and Keras has both. `undefined` where the bias is used as it is.
 */
export function oneBias(
  { graph, plan }: { readonly graph: GraphBuilder; readonly plan: NetworkPlan },
  node: Node,
  bias: Value | undefined,
): Value | undefined {
  const name = node.inputs[3]?.name;
  if (!bias || name === undefined || !isRecurrent(node) || hasTwo(node)) return undefined;
  const isTrained = plan.parameters.some((parameter) => parameter.name === name);
  if (!isTrained || !isSecondHalfZero(plan, name)) return undefined;
  const [directions = 1, width = 2] = bias.shape.map(Number);
  const own = graph.add('Slice', [
    bias,
    graph.integers('starts', [0]),
    graph.integers('ends', [width / 2]),
    graph.integers('axes', [1]),
  ]);
  const zeros = Array.from({ length: (directions * width) / 2 }, () => 0);
  const rest = graph.floats('no_bias', zeros, [directions, width / 2]);
  return graph.add('Concat', [own, rest], { axis: 1 });
}

function hasTwo(node: Recurrent): boolean {
  return node.op === 'GRU' && node.attributes.linear_before_reset === 1;
}

function isSecondHalfZero({ graph }: NetworkPlan, name: string): boolean {
  const source = graph.initializers.get(name);
  if (source?.dtype !== 'float32') return false;
  const width = source.shape[1] ?? 2;
  return numbersFrom(graph, name).every((value, i) => i % width < width / 2 || value === 0);
}

/**
 * The plan with what its optimizer must know: the weights of a node that runs both ways are those of two layers of
 * Keras, one behind the other, each with a norm of its own.
 */
export function withDirections(plan: NetworkPlan): NetworkPlan {
  const both = new Set(
    plan.graph.nodes.flatMap((node) =>
      isRecurrent(node) && node.attributes.direction === 'bidirectional'
        ? node.inputs.slice(1, 4).flatMap((value) => value?.name ?? [])
        : [],
    ),
  );
  if (both.size === 0) return plan;
  const parameters = plan.parameters.map((parameter) =>
    both.has(parameter.name) ? { ...parameter, tensors: 2 } : parameter,
  );
  return { ...plan, parameters };
}
