import type { Generation, KerasLayer, KerasModel, Kernels } from '../../src/keras/model.ts';
import { floatSource } from '../../src/source.ts';

/** A layer of a model that is made in a test: class, config, and weights as shape and numbers. */
export interface MadeLayer {
  readonly name: string;
  readonly is: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly weights?: readonly (readonly [shape: readonly number[], numbers: readonly number[]])[];
  /** Names of the layers before it; the layer above where nothing is said. */
  readonly from?: readonly string[];
  /** Arguments of the call, where they are more than the layers before: `InputPlace`s number these. */
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
}

export interface Made {
  /** Without the batch. */
  readonly input: readonly (number | null)[];
  readonly layers: readonly MadeLayer[];
  readonly outputs?: readonly string[];
  readonly generation?: Generation;
  readonly kernels?: Kernels;
}

/** A Keras model in memory. Its input is called "in". */
export function madeModel(made: Made): KerasModel {
  const layers = made.layers.map((layer, i): KerasLayer => {
    const before = layer.from ?? [made.layers[i - 1]?.name ?? 'in'];
    return {
      name: layer.name,
      className: layer.is,
      savedClassName: layer.is,
      config: layer.config ?? {},
      weights: (layer.weights ?? []).map(([shape, numbers], at) => ({
        name: `param_${at}`,
        source: floatSource(shape, numbers),
      })),
      calls: [
        {
          inputs: before.map((name) => ({ layer: name, node: 0, tensor: 0 })),
          args: layer.args,
          kwargs: layer.kwargs ?? {},
        },
      ],
      path: `/config/${i}`,
    };
  });
  const input: KerasLayer = {
    name: 'in',
    className: 'InputLayer',
    savedClassName: 'InputLayer',
    config: {},
    weights: [],
    calls: [{ inputs: [], kwargs: {} }],
    path: '/config',
  };
  const outputs = made.outputs ?? [made.layers.at(-1)?.name ?? 'in'];
  return {
    file: 'made.h5',
    origin: {
      generation: made.generation ?? 'Keras 2',
      version: undefined,
      kernels: made.kernels ?? 'tensorflow',
    },
    graph: {
      name: 'made',
      inputs: [{ name: 'in', shape: made.input, dtype: 'float32' }],
      outputs: outputs.map((layer) => ({ layer, node: 0, tensor: 0 })),
      layers: [input, ...layers],
    },
    recipe: undefined,
    decisions: [],
    close: () => undefined,
  };
}

/** 1, 2, 3 … as the numbers of a weight or an input. */
export function counting(shape: readonly number[]): readonly number[] {
  return Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i + 1);
}
