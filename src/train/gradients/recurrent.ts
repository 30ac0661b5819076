import type { GraphBuilder, Node } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import { activationsOf } from './recurrent/activation.ts';
import {
  type CellGradient,
  gruAfterGradient,
  gruBeforeGradient,
  lstmGradient,
  rnnGradient,
} from './recurrent/cells.ts';
import { type Direction, type DirectionGradients, ofKernel } from './recurrent/direction.ts';
import { type GradientRules, type RuleContext, where, zerosLike } from './rule.ts';

/** Gradients of the recurrent operators: backpropagation through all their steps, however many there are. */
export const recurrent = {
  LSTM: (node, _, graph, { dys }) => {
    const { x, w, r, b, h, c } = throughTime(node, lstmGradient, { graph, dys });
    return [x, w, r, b, undefined, h, c];
  },
  GRU: (node, _, graph, { dys }) => {
    const isAfter = node.attributes.linear_before_reset === 1;
    const cell = isAfter ? gruAfterGradient : gruBeforeGradient;
    const { x, w, r, b, h } = throughTime(node, cell, { graph, dys });
    return [x, w, r, b, undefined, h];
  },
  RNN: (node, _, graph, { dys }) => {
    const { x, w, r, b, h } = throughTime(node, rnnGradient, { graph, dys });
    return [x, w, r, b, undefined, h];
  },
} satisfies GradientRules;

/** Whether each direction of a node goes over the steps in reverse. */
const ways = { forward: [false], reverse: [true], bidirectional: [false, true] } as const;

type Recurrent = Node<'LSTM'> | Node<'GRU'> | Node<'RNN'>;

interface Asked extends Pick<RuleContext, 'dys'> {
  readonly graph: GraphBuilder;
}

/** The gradients of a node's inputs, from those of its directions. */
function throughTime(
  node: Recurrent,
  cell: CellGradient,
  asked: Asked,
): Readonly<Record<'x' | 'w' | 'r', Value>> & Readonly<Record<'b' | 'h' | 'c', Value | undefined>> {
  const { graph } = asked;
  const [x, , , b, , h, c] = node.inputs;
  const runs = ways[node.attributes.direction].map((isReverse, at) => {
    const direction = directionOf(node, asked, { isReverse, at });
    return { direction, found: cell(direction) };
  });
  const joined = (each: (run: (typeof runs)[number]) => Value): Value => {
    const axes = graph.integers('axes', [0]);
    const [first, ...others] = runs.map((run) => graph.add('Unsqueeze', [each(run), axes]));
    if (!first) throw new Error('Bug: a recurrent node has a direction');
    return others.length === 0 ? first : graph.add('Concat', [first, ...others], { axis: 0 });
  };
  const state = (at: number): Value => joined(({ found }) => found.first[at] ?? x);
  return {
    x: runs
      .map(({ direction, found }) => graph.add('MatMul', [found.ofProduct, direction.kernel]))
      .reduce((sum, part) => graph.add('Add', [sum, part])),
    w: joined(({ found }) => ofKernel(graph, found.ofProduct, x)),
    r: joined(({ found }) => found.recurrent),
    b: b && joined(({ found }) => ofBiases(graph, found)),
    h: h && state(0),
    c: c && state(1),
  };
}

function ofBiases(graph: GraphBuilder, found: DirectionGradients): Value {
  const sum = (value: Value): Value =>
    graph.add('ReduceSum', [value, graph.integers('axes', [0, 1])], { keepdims: 0 });
  const own = sum(found.ofProduct);
  const isOne = found.ofProduct === found.ofRecurrentProduct;
  const other = isOne ? own : sum(found.ofRecurrentProduct);
  return graph.add('Concat', [own, other], { axis: 0 });
}

interface Place {
  readonly isReverse: boolean;
  /** Which direction of the node it is. */
  readonly at: number;
}

function directionOf(node: Recurrent, { graph, dys }: Asked, { isReverse, at }: Place): Direction {
  const [x, w, r, b, lengths] = node.inputs;
  const [y, ...states] = node.outputs;
  const units = node.attributes.hidden_size;
  const pick = (value: Value, axis = 0): Value =>
    graph.add('Gather', [value, graph.integers('direction', [at], [])], { axis });
  const own = pick(y, 1);
  const zeros = zerosLike(
    graph,
    graph.add('Gather', [own, graph.integers('step', [0], [])], { axis: 0 }),
  );
  const initial: readonly (Value | undefined)[] = node.inputs.slice(5);
  const first = states.map((_, i) => (initial[i] ? pick(initial[i]) : zeros));
  const steps: Steps = {
    y: own,
    isReverse,
    lengths,
    first: first[0] ?? zeros,
    isZero: !initial[0],
  };
  const counts = lengths && countsOf(graph, x, lengths, 0);
  const dy = dys[0] && pick(dys[0], 1);
  const activations = activationsOf(node, node.attributes);
  const each = activations.length / ways[node.attributes.direction].length;
  return {
    graph,
    isReverse,
    units,
    activations: activations.slice(at * each, (at + 1) * each),
    x,
    kernel: pick(w),
    recurrent: pick(r),
    bias: b && biasesOf(graph, pick(b)),
    before: statesBefore(graph, x, steps),
    counts,
    first,
    dy: dy && counts ? where(graph, counts, dy) : dy,
    last: states.map((_, i) => {
      const given = dys[i + 1];
      return given ? pick(given) : zeros;
    }),
  };
}

function biasesOf(graph: GraphBuilder, bias: Value): NonNullable<Direction['bias']> {
  const half = Number(bias.shape[0]) / 2;
  const sizes = graph.integers('split', [half, half]);
  const [input, recurrentBias = bias] = graph.addAll('Split', [bias, sizes], { axis: 0 });
  return { input, recurrent: recurrentBias };
}

/** bool [T, N, 1]: whether the step `ahead` of each lies within the row's length. */
function countsOf(graph: GraphBuilder, x: Value, lengths: Value, ahead: number): Value {
  const [zero, one] = [graph.integers('zero', [0], []), graph.integers('one', [1], [])];
  const size = graph.add('Gather', [graph.add('Shape', [x]), zero], { axis: 0 });
  const from = graph.integers('first', [ahead], []);
  const to = ahead === 0 ? size : graph.add('Add', [size, from]);
  const places = graph.add('Range', [from, to, one]);
  const step = graph.add('Unsqueeze', [places, graph.integers('axes', [1, 2])]);
  const wide = graph.add('Cast', [lengths], { to: 'int64' });
  return graph.add('Less', [step, graph.add('Unsqueeze', [wide, graph.integers('axes', [0, 2])])]);
}

interface Steps {
  /** [T, N, units]. */
  readonly y: Value;
  readonly isReverse: boolean;
  readonly lengths: Value | undefined;
  /** [N, units]. */
  readonly first: Value;
  readonly isZero: boolean;
}

/** The state before each step: the output of the one before, and at first the initial state. */
function statesBefore(
  graph: GraphBuilder,
  x: Value,
  { y, isReverse, lengths, first, isZero }: Steps,
): Value {
  const slice = (start: number, end: number): Value =>
    graph.add('Slice', [
      y,
      graph.integers('starts', [start]),
      graph.integers('ends', [end]),
      graph.integers('axes', [0]),
    ]);
  const begin = graph.add('Unsqueeze', [first, graph.integers('axes', [0])]);
  const parts = isReverse
    ? ([slice(1, 2 ** 31 - 1), begin] as const)
    : ([begin, slice(0, -1)] as const);
  const moved = graph.add('Concat', parts, { axis: 0 });
  const before = graph.rename(moved, moved.name, y.shape);
  // In reverse a row begins at its own last step, behind which the outputs are zeros.
  if (!isReverse || !lengths || isZero) return before;
  return graph.add('Where', [countsOf(graph, x, lengths, 1), before, first]);
}
