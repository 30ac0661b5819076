import type { GraphBuilder } from '../../src/onnx/graph.ts';
import type { RecurrentAttributes } from '../../src/onnx/ops.ts';
import type { Value } from '../../src/tensor.ts';
import { type Case, type Cases, x } from './cases.ts';
import type { Input } from './difference.ts';

/** Numbers within ±0.7, so that no gate is saturated. */
const small = (shape: readonly number[], salt: number): Input => {
  const given = x(shape, salt);
  const most = Math.max(...given.numbers.map(Math.abs));
  return { shape, numbers: given.numbers.map((value) => (value / most) * 0.7) };
};

const [steps, rows, width, units] = [4, 2, 3, 2];

type Direction = RecurrentAttributes['direction'];

interface Form {
  readonly direction: Direction;
  readonly activations: readonly string[];
  readonly alpha?: readonly number[];
  readonly beta?: readonly number[];
  /** Steps of each row that count. */
  readonly lengths?: readonly number[];
  readonly hasStates?: boolean;
  readonly hasBias?: boolean;
  /** Which outputs the loss depends on: each step's, the last states, or all. */
  readonly of?: 'steps' | 'last' | 'all';
  /** Sizes that the graph does not know. */
  readonly names?: Input['names'];
}

const sizes = {
  LSTM: { gates: 4, states: 2 },
  GRU: { gates: 3, states: 1 },
  RNN: { gates: 1, states: 1 },
};

function inputsOf(op: keyof typeof sizes, form: Form): readonly Input[] {
  const both = form.direction === 'bidirectional' ? 2 : 1;
  const { gates, states } = sizes[op];
  return [
    { ...small([steps, rows, width], 0), names: form.names ?? {} },
    small([both, gates * units, width], 1),
    small([both, gates * units, units], 2),
    ...(form.hasBias === false ? [] : [small([both, 2 * gates * units], 3)]),
    ...Array.from({ length: form.hasStates ? states : 0 }, (_, i) => ({
      ...small([both, rows, units], 4 + i),
      names: form.names?.[1] ? { 1: form.names[1] } : {},
    })),
  ];
}

function lengthsOf(graph: GraphBuilder, { lengths }: Form): Value | undefined {
  return lengths && graph.add('Cast', [graph.integers('lengths', lengths)], { to: 'int32' });
}

function attributesOf({ direction, activations, alpha, beta }: Form): RecurrentAttributes {
  const all = direction === 'bidirectional' ? [...activations, ...activations] : activations;
  const twice = (list: readonly number[] | undefined): readonly number[] | undefined =>
    list && direction === 'bidirectional' ? [...list, ...list] : list;
  return {
    hidden_size: units,
    direction,
    activations: all,
    activation_alpha: twice(alpha),
    activation_beta: twice(beta),
  };
}

/** All outputs that the loss depends on, as one row of numbers. */
function flat(
  graph: GraphBuilder,
  outputs: readonly [Value, ...Value[]],
  of: Form['of'] = 'all',
): Value {
  const [y, ...states] = outputs;
  if (of === 'steps') return y;
  const parts = of === 'last' ? states : outputs;
  const flattened = parts.map((value) =>
    graph.add('Reshape', [value, graph.integers('shape', [-1])]),
  );
  const [first, ...others] = flattened;
  if (!first) throw new Error('an output is asked for');
  return others.length === 0 ? first : graph.add('Concat', [first, ...others], { axis: 0 });
}

const lstm = (what: string, form: Form): Case => [
  what,
  inputsOf('LSTM', form),
  (graph, [a, w, r, b, h, c]) => {
    const [bias, first, cell] = form.hasBias === false ? [undefined, b, h] : [b, h, c];
    const outputs = graph.addAll(
      'LSTM',
      [
        a,
        w,
        r,
        bias,
        lengthsOf(graph, form),
        form.hasStates ? first : undefined,
        form.hasStates ? cell : undefined,
      ],
      attributesOf(form),
    );
    return flat(graph, outputs, form.of);
  },
];

const gru = (what: string, isAfter: boolean, form: Form): Case => [
  `${what}, reset ${isAfter ? 'after' : 'before'} the product`,
  inputsOf('GRU', form),
  (graph, [a, w, r, b, h]) => {
    const outputs = graph.addAll(
      'GRU',
      [
        a,
        w,
        r,
        form.hasBias === false ? undefined : b,
        lengthsOf(graph, form),
        form.hasStates ? h : undefined,
      ],
      { ...attributesOf(form), linear_before_reset: isAfter ? 1 : 0 },
    );
    return flat(graph, outputs, form.of);
  },
];

const rnn = (what: string, form: Form): Case => [
  what,
  inputsOf('RNN', form),
  (graph, [a, w, r, b, h]) =>
    flat(
      graph,
      graph.addAll(
        'RNN',
        [
          a,
          w,
          r,
          form.hasBias === false ? undefined : b,
          lengthsOf(graph, form),
          form.hasStates ? h : undefined,
        ],
        attributesOf(form),
      ),
      form.of,
    ),
];

const lengths = [4, 2];
const ofLstm = { activations: ['Sigmoid', 'Tanh', 'Tanh'] };
const ofGru = { activations: ['Sigmoid', 'Tanh'] };
const ofRnn = { activations: ['Tanh'] };

/** Operators that go over steps. */
export const recurrentCases: Cases = {
  LSTM: [
    lstm('forward', { ...ofLstm, direction: 'forward' }),
    lstm('without biases, each step', {
      ...ofLstm,
      direction: 'forward',
      hasBias: false,
      of: 'steps',
    }),
    lstm('the last states', { ...ofLstm, direction: 'forward', of: 'last' }),
    lstm('in reverse, from given states', { ...ofLstm, direction: 'reverse', hasStates: true }),
    lstm('rows of different lengths', {
      ...ofLstm,
      direction: 'forward',
      lengths,
      hasStates: true,
    }),
    lstm('rows of different lengths in reverse', {
      ...ofLstm,
      direction: 'reverse',
      lengths,
      hasStates: true,
    }),
    lstm('both ways', { ...ofLstm, direction: 'bidirectional', lengths: [3, 1] }),
    lstm('both ways, from given states, the batch and the number of steps open', {
      ...ofLstm,
      direction: 'bidirectional',
      hasStates: true,
      of: 'steps',
      names: { 0: 't', 1: 'n' },
    }),
    lstm('a hard sigmoid', {
      activations: ['HardSigmoid', 'Softsign', 'Affine'],
      alpha: [0.2, 0.9],
      beta: [0.5, 0.1],
      direction: 'forward',
    }),
  ],
  GRU: [true, false].flatMap((isAfter) => [
    gru('forward', isAfter, { ...ofGru, direction: 'forward' }),
    gru('without biases, each step', isAfter, {
      ...ofGru,
      direction: 'forward',
      hasBias: false,
      of: 'steps',
    }),
    gru('in reverse, the last state', isAfter, { ...ofGru, direction: 'reverse', of: 'last' }),
    gru('rows of different lengths', isAfter, {
      ...ofGru,
      direction: 'forward',
      lengths,
      hasStates: true,
    }),
    gru('rows of different lengths in reverse', isAfter, {
      ...ofGru,
      direction: 'reverse',
      lengths,
      hasStates: true,
    }),
    gru('both ways', isAfter, { ...ofGru, direction: 'bidirectional', lengths: [3, 1] }),
    gru('another activation', isAfter, {
      activations: ['Sigmoid', 'ScaledTanh'],
      alpha: [1.2],
      beta: [0.7],
      direction: 'forward',
    }),
  ]),
  RNN: [
    rnn('forward', { ...ofRnn, direction: 'forward' }),
    rnn('in reverse, rows of different lengths', {
      ...ofRnn,
      direction: 'reverse',
      lengths,
      hasStates: true,
    }),
    rnn('both ways, each step', { ...ofRnn, direction: 'bidirectional', of: 'steps', lengths }),
    rnn('a leaky activation', {
      activations: ['LeakyRelu'],
      alpha: [0.3],
      direction: 'forward',
    }),
  ],
};
