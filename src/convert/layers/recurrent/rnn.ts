import { ConfigReader, isJson, table } from '../../../keras/config.ts';
import type { KerasLayer } from '../../../keras/model.ts';
import type { TensorSource } from '../../../tensor.ts';
import { type Bench, defineLayer, type Layer, unsupported, weightsOf } from '../../layer.ts';
import type { KerasTensor } from '../../layout.ts';
import {
  type CellWeights,
  cellShapes,
  type RecurrentKind,
  readCell,
  readRun,
  stateCounts,
} from './config.ts';
import { heeding } from './heeded.ts';
import { type Run, run } from './run.ts';

const kinds = table<RecurrentKind>({
  SimpleRNNCell: 'SimpleRNN',
  GRUCell: 'GRU',
  LSTMCell: 'LSTM',
});

/**
 * RNN over cells: stacked cells are layers one above the other, each a node of its own.
 *
 * Source: keras/src/layers/rnn/{rnn,stacked_rnn_cells}.py.
 */
export const rnn: Layer = defineLayer({
  keras: ['RNN'],
  inputs: 'many',
  mask: 'set by the rule',
  read(config, _, where) {
    const unknown = cellClasses(config.raw('cell')).filter((name) => !kinds[name]);
    if (unknown.length === 0) return readRun(config, where);
    throw unsupported(
      `An RNN of the cell class "${unknown.join('", "')}" cannot be converted`,
      where,
      `Cells that can: ${Object.keys(kinds).join(', ')}, alone or stacked.`,
    );
  },
  weights: (_, __, found) => Object.fromEntries(found.map((shape, i) => [`${i}`, shape])),
  emit({ config, input, inputs, given, wrapped, parameter, ...bench }) {
    const named = given.tensors(Number.POSITIVE_INFINITY, 'initial_state');
    const initial = named.length > 0 ? named : inputs.slice(1);
    return heeding({ input, initial, given }, bench, (heeded) =>
      stacked({ cells: wrapped, config, input: heeded, initial, parameter }, bench),
    );
  },
});

interface Stack extends Pick<Run, 'config' | 'input' | 'initial' | 'parameter'> {
  readonly cells: readonly KerasLayer[];
}

/** Each cell over all steps of the one below it; states of all cells in the order of the cells. */
function stacked(stack: Stack, bench: Bench): readonly KerasTensor[] {
  const { cells, config, input, parameter } = stack;
  const isStack = cells.length > 1;
  let [below, states]: readonly [KerasTensor, readonly KerasTensor[]] = [input, []];
  let initial = stack.initial;
  for (const [i, cell] of cells.entries()) {
    const isLast = i === cells.length - 1;
    const options = cellRun(cell, isStack ? `cell_${i}` : '', { below, parameter, bench });
    const count = stateCounts[options.cell.kind];
    const [output = below, ...last] = run(
      {
        ...options,
        input: { ...below, mask: input.mask },
        initial: initial.slice(0, count),
        config: {
          ...config,
          goBackwards: config.goBackwards && i === 0,
          returnSequences: config.returnSequences || !isLast,
          zeroOutputForMask: config.zeroOutputForMask && isLast,
        },
      },
      bench,
    );
    [below, states] = [output, [...states, ...last]];
    initial = initial.slice(count);
  }
  return [below, ...states];
}

function cellClasses(cell: unknown): readonly string[] {
  if (Array.isArray(cell)) return cell.flatMap(cellClasses);
  if (!isJson(cell)) return [];
  const config = isJson(cell['config']) ? cell['config'] : {};
  return Array.isArray(config['cells'])
    ? cellClasses(config['cells'])
    : [String(cell['class_name'])];
}

interface CellBench {
  readonly below: KerasTensor;
  readonly parameter: (name: string, source: TensorSource) => ReturnType<Run['parameter']>;
  readonly bench: Bench;
}

function cellRun(
  layer: KerasLayer,
  prefix: string,
  { below, parameter, bench }: CellBench,
): Pick<Run, 'cell' | 'weights' | 'parameter'> {
  const kind = kinds[layer.className];
  if (!kind) throw new Error(`Bug: the cell "${layer.className}" was not checked`);
  const cell = readCell(new ConfigReader(stated(layer), bench.where), kind, bench.where);
  const sources = weightsOf(cellShapes(cell, below.shape), layer.weights, bench.where);
  return {
    cell,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- weightsOf gives a source for every shape
    weights: sources as unknown as CellWeights,
    parameter: (name, source) => parameter(prefix ? `${prefix}/${name}` : name, source),
  };
}

/** Keras 2 before 2.1.3 forgot to save what its cells are; their weights tell the most. */
function stated({ config, weights }: KerasLayer): KerasLayer['config'] {
  const [, recurrent] = weights;
  const units = recurrent?.source.shape[0];
  return { units, use_bias: weights.length > 2, ...config };
}
