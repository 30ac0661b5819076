import type { GraphBuilder } from '../../../onnx/graph.ts';
import { permuted } from '../../../source.ts';
import type { Shape, TensorSource, Value } from '../../../tensor.ts';
import { type ActivationSpec, activate } from '../../activations.ts';
import { type Bench, defineLayer, type Layer } from '../../layer.ts';
import { integers, type KerasTensor, kerasTensor } from '../../layout.ts';
import { padsOf } from '../../padding.ts';
import { readActivation, readDataFormat, readPadding, readTuple } from '../../read.ts';
import { productOf, reshapeTo, sizesOf } from '../../sizes.ts';
import { fromMaps, type Window } from '../../window.ts';
import { readRun } from './config.ts';
import { reversed, scannedRun } from './scanned.ts';
import type { Step } from './steps.ts';

/**
 * ConvLSTM1D, ConvLSTM2D and ConvLSTM3D: one Conv over all steps' inputs, then a Scan with a Conv over the state.
 *
 * x [N, T, ...spatial, C]; kernel [...window, C, 4 · filters], recurrent_kernel [...window, filters, 4 · filters] and
 * bias [4 · filters], gates i, f, c, o. Source: keras/src/layers/rnn/conv_lstm.py.
 */
function defineConvLstm(rank: number, name: string): Layer {
  return defineLayer({
    keras: [name],
    inputs: 'many',
    mask: 'set by the rule',
    read: (config, _, where) => ({
      run: readRun(config, where),
      filters: config.integer('filters'),
      useBias: config.boolean('use_bias', true),
      activation: readActivation(config, where, { byDefault: 'tanh' }),
      recurrentActivation: readActivation(config, where, {
        key: 'recurrent_activation',
        byDefault: 'hard_sigmoid',
      }),
      window: {
        kind: 'convolution' as const,
        kernel: readTuple(config, 'kernel_size', { rank }),
        strides: readTuple(config, 'strides', { rank, byDefault: 1 }),
        dilations: readTuple(config, 'dilation_rate', { rank, byDefault: 1 }),
        padding: readPadding(config),
        dataFormat: readDataFormat(config),
      },
    }),
    weights({ filters, useBias, window }, input) {
      const channels = Number(input.at(window.dataFormat === 'channels_first' ? 2 : -1) ?? 1);
      return {
        kernel: [...window.kernel, channels, 4 * filters],
        recurrent_kernel: [...window.kernel, filters, 4 * filters],
        bias: useBias ? [4 * filters] : undefined,
      };
    },
    emit({ config, input, inputs, given, weights, parameter, ...bench }) {
      const { graph } = bench;
      const { run, window, filters } = config;
      const gates = inputGates(input, { window, weights, parameter }, bench);
      const named = given.tensors(Number.POSITIVE_INFINITY, 'initial_state');
      const states = (named.length > 0 ? named : inputs.slice(1)).map(
        (state) => channelsFirstMaps(state, window.dataFormat, bench).value,
      );
      const mask = input.mask && graph.add('Transpose', [input.mask()], { perm: [1, 0] });
      const turn = (value: Value): Value => (run.goBackwards ? reversed(value, bench) : value);
      const result = scannedRun(
        {
          step: stepOf({ ...config, kernel: recurrentKernel(weights, parameter) }, bench),
          x: turn(gates),
          mask: mask && turn(mask),
          initial: firstStates(states, gates, { filters, graph }),
          isZeroAtMasked: run.zeroOutputForMask,
        },
        bench,
      );
      const output = run.returnSequences
        ? { ...sequence(result.sequence, window.dataFormat, graph), mask: input.mask }
        : fromMaps(result.last, window.dataFormat);
      const last = result.states.map((state) => fromMaps(state, window.dataFormat));
      return [output, ...(run.returnState ? last : [])];
    },
  });
}

function channelsFirstMaps(
  tensor: KerasTensor,
  dataFormat: Window['dataFormat'],
  { layouts }: Bench,
): KerasTensor {
  return dataFormat === 'channels_last'
    ? layouts.padded(layouts.channelsFirst(tensor))
    : layouts.keras(tensor);
}

interface Kernels {
  readonly kernel: TensorSource;
  readonly recurrent_kernel: TensorSource;
  readonly bias: TensorSource | undefined;
}

type Parameter = (name: string, source: TensorSource) => Value;

/** [...window, in, out] → [out, in, ...window]. */
function convolutionKernel(kernel: TensorSource): TensorSource {
  const rank = kernel.shape.length - 2;
  return permuted(kernel, [rank + 1, rank, ...Array.from({ length: rank }, (_, axis) => axis)]);
}

function recurrentKernel(weights: Kernels, parameter: Parameter): Value {
  return parameter('recurrent_kernel', convolutionKernel(weights.recurrent_kernel));
}

/** What the inputs of all steps give to the gates, [T, N, 4 · filters, ...spatial]. */
function inputGates(
  input: KerasTensor,
  {
    window,
    weights,
    parameter,
  }: { readonly window: Window; readonly weights: Kernels; readonly parameter: Parameter },
  { graph, layouts, origin, where }: Bench,
): Value {
  const x = layouts.keras(input).value;
  const isLast = window.dataFormat === 'channels_last';
  const rank = x.shape.length;
  const spatial = Array.from({ length: rank - 3 }, (_, i) => (isLast ? i + 2 : i + 3));
  const perm = [1, 0, isLast ? rank - 1 : 2, ...spatial];
  const moved = graph.add('Transpose', [x], { perm });
  const [steps = 1, batch = 1, ...rest] = moved.shape;
  const all = reshapeTo(graph, moved, [productOf([steps, batch]), ...rest]);
  const spans = rest.slice(1).map((size, i) => ({
    size,
    kernel: window.kernel[i] ?? 1,
    stride: window.strides[i] ?? 1,
    dilation: window.dilations[i] ?? 1,
  }));
  const rule = { padding: window.padding, kernels: origin.kernels, isPooling: false };
  const kernel = parameter('kernel', convolutionKernel(weights.kernel));
  const bias = weights.bias && parameter('bias', weights.bias);
  const gates = graph.add('Conv', bias ? [all, kernel, bias] : [all, kernel], {
    kernel_shape: window.kernel,
    strides: window.strides,
    ...padsOf(spans, rule, where),
    dilations: window.dilations,
    group: 1,
  });
  return reshapeTo(graph, gates, [steps, batch, ...gates.shape.slice(1)], [moved]);
}

function firstStates(
  given: readonly Value[],
  gates: Value,
  { filters, graph }: { readonly filters: number; readonly graph: GraphBuilder },
): readonly [Value, Value] {
  const [h, c] = given;
  if (h && c) return [h, c];
  const [, batch = 1, , ...spatial] = gates.shape;
  const shape: Shape = [batch, filters, ...spatial];
  const zeros = graph.add('ConstantOfShape', [sizesOf(graph, shape, [gates])]);
  const state = graph.rename(zeros, zeros.name, shape);
  return [state, state];
}

interface Cell {
  readonly kernel: Value;
  readonly filters: number;
  readonly window: Window;
  readonly activation: ActivationSpec;
  readonly recurrentActivation: ActivationSpec;
}

function stepOf(cell: Cell, { origin, where }: Bench): Step {
  const ones = cell.window.kernel.map(() => 1);
  const spans = cell.window.kernel.map((kernel) => ({ size: 1, kernel, stride: 1, dilation: 1 }));
  const rule = { padding: 'same', kernels: origin.kernels, isPooling: false } as const;
  const around = padsOf(spans, rule, where);
  return (graph, x, [h = x, c = x]) => {
    const past = graph.add('Conv', [h, cell.kernel], {
      kernel_shape: cell.window.kernel,
      strides: ones,
      ...around,
      dilations: ones,
      group: 1,
    });
    const sizes = integers(graph, 'split', [
      cell.filters,
      cell.filters,
      cell.filters,
      cell.filters,
    ]);
    const parts = graph.addAll('Split', [graph.add('Add', [x, past]), sizes], { axis: 1 });
    const [i, f = x, g = x, o = x] = parts;
    const applied = (spec: ActivationSpec, value: Value): Value =>
      activate(spec, { x: value, graph, lastAxis: 1, generation: origin.generation });
    const gate = (value: Value): Value => applied(cell.recurrentActivation, value);
    const next = graph.add('Add', [
      graph.add('Mul', [gate(f), c]),
      graph.add('Mul', [gate(i), applied(cell.activation, g)]),
    ]);
    return [graph.add('Mul', [gate(o), applied(cell.activation, next)]), next];
  };
}

/** [T, N, F, ...spatial] as Keras has it. */
function sequence(
  value: Value,
  dataFormat: Window['dataFormat'],
  graph: GraphBuilder,
): KerasTensor {
  const spatial = Array.from({ length: value.shape.length - 3 }, (_, i) => i + 3);
  const perm = dataFormat === 'channels_last' ? [1, 0, ...spatial, 2] : [1, 0, 2, ...spatial];
  return kerasTensor(graph.add('Transpose', [value], { perm }));
}

/** ConvLSTM1D over [N, T, steps, C]. */
export const convLstm1d = defineConvLstm(1, 'ConvLSTM1D');
/** ConvLSTM2D. */
export const convLstm2d = defineConvLstm(2, 'ConvLSTM2D');
/** ConvLSTM3D. */
export const convLstm3d = defineConvLstm(3, 'ConvLSTM3D');
