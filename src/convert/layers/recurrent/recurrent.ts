import { defineLayer, type Layer } from '../../layer.ts';
import { cellShapes, type RecurrentKind, readCell, readRun } from './config.ts';
import { heeding } from './heeded.ts';
import { run } from './run.ts';

/**
 * One LSTM, GRU or RNN node, with a mask too, whatever steps it leaves out.
 *
 * x [N, T, in] → [N, T, units] or [N, units]; states [N, units]. Sequences stay [T, N, units] in the graph while layers
 * allow it. Source: keras/src/layers/rnn/{rnn,lstm,gru,simple_rnn}.py.
 */
function defineRecurrent(kind: RecurrentKind): Layer {
  return defineLayer({
    keras: [kind],
    inputs: 'many',
    mask: 'set by the rule',
    read: (config, _, where) => ({
      cell: readCell(config, kind, where),
      run: readRun(config, where),
    }),
    weights: ({ cell }, input) => cellShapes(cell, input),
    emit({ config, input, inputs, given, weights, parameter, ...bench }) {
      const named = given.tensors(Number.POSITIVE_INFINITY, 'initial_state');
      const initial = named.length > 0 ? named : inputs.slice(1);
      return heeding({ input, initial, given }, bench, (heeded) =>
        run(
          { cell: config.cell, config: config.run, weights, input: heeded, initial, parameter },
          bench,
        ),
      );
    },
  });
}

/** SimpleRNN: h' = activation(x · kernel + h · recurrent_kernel + bias). */
export const simpleRnn = defineRecurrent('SimpleRNN');
/** GRU, of both resets. */
export const gru = defineRecurrent('GRU');
/** LSTM. */
export const lstm = defineRecurrent('LSTM');
