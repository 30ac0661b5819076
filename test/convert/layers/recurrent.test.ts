import { describe, expect, it } from 'vitest';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { InputPlace, type KerasLayer } from '../../../src/keras/model.ts';
import { floatSource } from '../../../src/source.ts';
import { expectClose } from '../../tolerance.ts';
import { type Made, madeModel } from '../made-model.ts';
import { runGraph } from '../run-graph.ts';
import {
  type Cell,
  cellOf,
  features,
  gates,
  type Kind,
  type Matrix,
  matrix,
  noise,
  steps,
  units,
  walk,
} from './recurrent-reference.ts';

function weightsOf(cell: Cell) {
  const columns = gates[cell.kind] * units;
  const bias = cell.bias.length > 1 ? [cell.bias.length, columns] : [columns];
  return [
    [[features, columns], cell.kernel.flat()],
    [[units, columns], cell.recurrent.flat()],
    [bias, cell.bias.flat()],
  ] as const;
}

function configOf(cell: Cell, more: Readonly<Record<string, unknown>> = {}) {
  const { activation, kind } = cell;
  return {
    units,
    activation,
    recurrent_activation: 'sigmoid',
    reset_after: kind === 'GRU',
    ...more,
  };
}

const masks: Readonly<Record<string, readonly boolean[]>> = {
  all: [true, true, true, true, true],
  right: [true, true, true, false, false],
  holes: [false, true, false, true, false],
  none: [false, false, false, false, false],
};

/** Samples whose left-out steps are all of -9, in front of which a Masking layer stands. */
function samples(names: readonly string[]): { x: Matrix[]; data: Float32Array; shape: number[] } {
  const x = names.map((name, i) =>
    matrix(steps, features, 20 + i).map((row, t) =>
      masks[name]?.[t] === true ? row : row.map(() => -9),
    ),
  );
  return { x, data: Float32Array.from(x.flat(2)), shape: [names.length, steps, features] };
}

const masking = { name: 'mask', is: 'Masking', config: { mask_value: -9 } };

async function answer(made: Made, input: { shape: readonly number[]; data: Float32Array }) {
  const { graph } = convertModel(madeModel({ generation: 'Keras 3', ...made }));
  const results = await runGraph(graph, [input]);
  return {
    ops: graph.nodes.map(({ op }) => op),
    outputs: graph.outputs.map(({ name }) => [...(results.get(name)?.data ?? [])]),
  };
}

const kinds = Object.keys(gates).filter((kind): kind is Kind => kind in gates);
const names = Object.keys(masks);

describe('recurrent layers over masked steps', () => {
  // ONNX's operators know tanh; mish goes step by step.
  for (const activation of ['tanh', 'mish']) {
    for (const backwards of [false, true]) {
      it.each(kinds)(`%s of ${activation}${backwards ? ', backwards' : ''}`, async (kind) => {
        const cell = cellOf(kind, activation);
        const { x, ...input } = samples(names);
        const config = configOf(cell, { return_sequences: true, go_backwards: backwards });
        const layer = { name: 'y', is: kind, config, weights: weightsOf(cell) };
        const { outputs, ops } = await answer(
          { input: [steps, features], layers: [masking, layer] },
          input,
        );
        const expected = x.map(
          (rows, i) => walk(cell, rows, masks[names[i] ?? ''] ?? [], { backwards }).outputs,
        );
        expectClose(outputs[0] ?? [], expected.flat(2));
        const own = { SimpleRNN: 'RNN', GRU: 'GRU', LSTM: 'LSTM' }[kind];
        expect(ops.filter((op) => op === own)).toHaveLength(activation === 'tanh' ? 1 : 0);
      });
    }
  }

  it.each(kinds)('%s puts out the last output only', async (kind) => {
    const cell = cellOf(kind, 'tanh');
    const { x, ...input } = samples(names);
    const layer = { name: 'y', is: kind, config: configOf(cell), weights: weightsOf(cell) };
    const { outputs } = await answer({ input: [steps, features], layers: [masking, layer] }, input);
    const expected = x.map((rows, i) => walk(cell, rows, masks[names[i] ?? ''] ?? []).last.h);
    expectClose(outputs[0] ?? [], expected.flat());
  });

  it('with zero_output_for_mask, zeros stand for the steps that are left out', async () => {
    const cell = cellOf('LSTM', 'tanh');
    const { x, ...input } = samples(['holes']);
    const config = configOf(cell, { return_sequences: true, zero_output_for_mask: true });
    const layer = { name: 'y', is: 'LSTM', config, weights: weightsOf(cell) };
    const { outputs } = await answer({ input: [steps, features], layers: [masking, layer] }, input);
    const own = masks['holes'] ?? [];
    const walked = walk(cell, x[0] ?? [], own).outputs;
    expectClose(
      outputs[0] ?? [],
      walked.flatMap((row, t) => (own[t] === true ? row : row.map(() => 0))),
    );
  });

  it.each([
    ['tanh', 'tf.keras', 'heeds', 'holes'],
    ['mish', 'tf.keras', 'heeds', 'holes'],
    // Its layers see the mask of a call's only tensor, and the states are others.
    ['tanh', 'Keras 3', 'forgets', 'none'],
    ['mish', 'Keras 3', 'forgets', 'none'],
  ] as const)(
    'an LSTM of %s takes and gives its states; that of %s %s the mask',
    async (activation, generation, _, heeded) => {
      const cell = cellOf('LSTM', activation);
      const { x, ...input } = samples(['holes']);
      const config = configOf(cell, { return_state: true });
      const start = { h: [0.3, -0.2], c: [0.1, 0.5] };
      const layers = [
        masking,
        // Both states from the first two features of the first step, so that they come out of the graph.
        { name: 'flat', is: 'Flatten', from: ['in'] },
        ...(['h', 'c'] as const).map((name, i) => ({
          name,
          is: 'Dense',
          config: { units },
          from: ['flat'],
          weights: [
            [[steps * features, units], noise(steps * features * units, 0).map(() => 0)],
            [[units], i === 0 ? start.h : start.c],
          ] as const,
        })),
        {
          name: 'y',
          is: 'LSTM',
          config,
          weights: weightsOf(cell),
          from: ['mask', 'h', 'c'],
          args: [new InputPlace(0)],
          kwargs: { initial_state: [new InputPlace(1), new InputPlace(2)] },
        },
      ];
      const model = madeModel({ input: [steps, features], layers, generation });
      const outputs = [0, 1, 2].map((tensor) => ({ layer: 'y', node: 0, tensor }));
      const { graph } = convertModel({ ...model, graph: { ...model.graph, outputs } });
      const results = await runGraph(graph, [input]);
      const got = graph.outputs.map(({ name }) => [...(results.get(name)?.data ?? [])]);
      const holes = masks['holes'] ?? [];
      // Masking makes zeros of the steps that it leaves out.
      const rows = (x[0] ?? []).map((row, t) => (holes[t] === true ? row : row.map(() => 0)));
      const counted = heeded === 'none' ? rows.map(() => true) : holes;
      const { last } = walk(cell, rows, counted, { first: start });
      expectClose(got[0] ?? [], last.h);
      expectClose(got[1] ?? [], last.h);
      expectClose(got[2] ?? [], last.c);
    },
  );
});

function wrapped(cell: Cell, name: string, backwards: boolean): KerasLayer {
  const more = { return_sequences: true, go_backwards: backwards };
  return {
    name,
    className: cell.kind,
    savedClassName: cell.kind,
    config: configOf(cell, more),
    weights: weightsOf(cell).map(([shape, numbers], i) => ({
      name: `${i}`,
      source: floatSource(shape, numbers),
    })),
    calls: [],
    path: '',
  };
}

describe('Bidirectional over masked steps', () => {
  it.each([
    ['tanh', 'Keras 3'],
    ['mish', 'Keras 3'],
    ['tanh', 'Keras 2'],
    ['mish', 'Keras 2'],
  ] as const)('an LSTM of %s in %s', async (activation, generation) => {
    const forward = cellOf('LSTM', activation, 1);
    const backward = cellOf('LSTM', activation, 5);
    const { x, ...input } = samples(names);
    const layers = [masking, { name: 'y', is: 'Bidirectional', config: { merge_mode: 'concat' } }];
    const model = madeModel({ input: [steps, features], layers, generation });
    const pair = [wrapped(forward, 'forward', false), wrapped(backward, 'backward', true)];
    const given = model.graph.layers.map((layer) =>
      layer.name === 'y' ? { ...layer, wrapped: pair } : layer,
    );
    const { graph } = convertModel({ ...model, graph: { ...model.graph, layers: given } });
    const results = await runGraph(graph, [input]);
    const expected = x.flatMap((rows, i) => {
      const own = masks[names[i] ?? ''] ?? [];
      const there = walk(forward, rows, own).outputs;
      const back = walk(backward, rows, own, { backwards: true }).outputs.toReversed();
      // Since tf.keras, steps that are left out are zeros.
      return there.map((row, t) =>
        [...row, ...(back[t] ?? [])].map((n) =>
          generation === 'Keras 3' && own[t] !== true ? 0 : n,
        ),
      );
    });
    expectClose(results.get('y')?.data ?? [], expected.flat());
  });
});

describe('ConvLSTM3D', () => {
  it('with a window of one place is an LSTM at that place', async () => {
    const cell = cellOf('LSTM', 'tanh');
    const { x, ...input } = samples(['all']);
    const [kernel, recurrent, bias] = weightsOf(cell);
    const ones = [1, 1, 1];
    const layer = {
      name: 'y',
      is: 'ConvLSTM3D',
      config: {
        filters: units,
        kernel_size: ones,
        activation: 'tanh',
        recurrent_activation: 'sigmoid',
        data_format: 'channels_last',
      },
      weights: [
        [[...ones, ...kernel[0]], kernel[1]],
        [[...ones, ...recurrent[0]], recurrent[1]],
        bias,
      ] as const,
    };
    const shape = [1, steps, ...ones, features];
    const made = { input: shape.slice(1), layers: [layer] };
    const { outputs } = await answer(made, { shape, data: input.data });
    expectClose(outputs[0] ?? [], walk(cell, x[0] ?? [], masks['all'] ?? []).last.h);
  });
});

describe('a stateful layer', () => {
  it('is refused with the reason', () => {
    const cell = cellOf('GRU', 'tanh');
    const config = configOf(cell, { stateful: true });
    const layers = [{ name: 'y', is: 'GRU', config, weights: weightsOf(cell) }];
    expect(() => convertModel(madeModel({ input: [steps, features], layers }))).toThrow(/stateful/);
  });
});
