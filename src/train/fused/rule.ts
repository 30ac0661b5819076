import { GraphBuilder } from '../../onnx/graph.ts';
import type { WasmFunction } from '../../wasm.ts';
import type { Optimizer } from '../optimizers.ts';
import { applyOptimizer, type ParameterSettings } from '../update.ts';
import { elementwise } from './elementwise.ts';

/** An optimizer's update as a loop over a parameter, its slots and its gradient. */
export interface UpdateRule {
  /** Takes the addresses of the parameter, its slots and its gradient, their bytes, then `scalars`. */
  readonly loop: WasmFunction;
  /** For a rate before decay, and the number of steps done before. */
  readonly scalars: (time: {
    readonly learningRate: number;
    readonly iteration: number;
  }) => number[];
}

/** The nodes of `applyOptimizer` for one parameter as one loop; norms are not limited by it. */
export function updateRule(optimizer: Optimizer, settings: ParameterSettings): UpdateRule {
  const graph = new GraphBuilder();
  const vector = (name: string) => graph.input(name, 'float32', ['count']);
  const parameter = vector('parameter');
  const slots = optimizer.slots.map(({ name }) => vector(`slot ${name}`));
  const gradient = vector('gradient');
  const rate = graph.input('rate', 'float32', []);
  const iteration = graph.input('iteration', 'float32', []);
  const updated = applyOptimizer(
    graph,
    { ...optimizer, clipnorm: undefined, globalClipnorm: undefined },
    {
      parameters: [parameter],
      gradients: [gradient],
      slots,
      rate,
      iteration,
      settings: [settings],
    },
  );
  const { loop, scalars } = elementwise(graph, {
    vectors: [parameter, ...slots, gradient],
    results: [...updated.parameters, ...updated.slots],
  });
  return {
    loop,
    scalars: ({ learningRate, iteration: done }) =>
      scalars(
        new Map([
          [rate.name, learningRate],
          [iteration.name, done],
        ]),
      ),
  };
}
