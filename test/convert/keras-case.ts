import type { Json } from '../../src/keras/config.ts';
import type { DraftGraph, DraftLayer } from '../../src/keras/draft.ts';
import { draftOf } from '../../src/keras/graph.ts';
import type { Generation, KerasGraph, KerasLayer, KerasModel } from '../../src/keras/model.ts';
import { inOrder } from '../../src/keras/topology.ts';
import type { Array1 } from '../npy.ts';

/** Numbers as the scripts of the fixtures write them; NaN and infinities are texts. */
interface Numbers {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly data: readonly (number | string)[];
}

/** A model without weights as a real Keras describes it, what it was given, and what that Keras gave. */
export interface KerasCase {
  readonly architecture: Json;
  readonly inputs: readonly Numbers[];
  readonly outputs: readonly Numbers[];
}

const special: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
};

/** The numbers of a case. */
export function arrayOf({ shape, data }: Numbers): Array1 {
  const numbers = data.map((part) => (typeof part === 'number' ? part : (special[part] ?? 0)));
  return { shape, data: Float32Array.from(numbers) };
}

/** The model of a case, as if a file held it. */
export function modelOfCase(
  { architecture }: KerasCase,
  { generation, version }: { readonly generation: Generation; readonly version: string },
): KerasModel {
  const where = { file: 'case.json' };
  const dialect = { generation, version, dataFormat: 'channels_last' } as const;
  const draft = draftOf(architecture, dialect, where);
  return {
    file: where.file,
    origin: { generation, version, kernels: 'tensorflow' },
    graph: finished(draft),
    recipe: undefined,
    decisions: [],
    close: () => undefined,
  };
}

function finished(draft: DraftGraph): KerasGraph {
  const layers = inOrder(draft.layers, draft, { file: 'case.json' });
  return { ...draft, layers: layers.map(withoutWeights) };
}

function withoutWeights(layer: DraftLayer): KerasLayer {
  return { ...layer, weights: [], model: undefined, wrapped: undefined };
}

/**
 * The model with a pooling window of one element, which changes nothing, behind each input of channels last: so that
 * what follows meets its tensors channels first, as it does behind a convolution.
 */
export function behindMaps(model: KerasModel): KerasModel | undefined {
  const { graph } = model;
  const maps = graph.inputs.filter(
    ({ shape, dtype }) => shape.length > 1 && shape.length < 5 && dtype === 'float32',
  );
  if (maps.length === 0) return undefined;
  const names = new Map(maps.map(({ name }) => [name, `${name}_maps`]));
  const pools = maps.map(({ name, shape }): KerasLayer => {
    const className = `AveragePooling${shape.length - 1}D`;
    return {
      name: `${name}_maps`,
      className,
      savedClassName: className,
      config: { pool_size: 1, padding: 'valid', data_format: 'channels_last' },
      weights: [],
      calls: [{ inputs: [{ layer: name, node: 0, tensor: 0 }], kwargs: {} }],
      path: '/made',
    };
  });
  const moved = graph.layers.map((layer) => ({
    ...layer,
    calls: layer.calls.map((call) => ({
      ...call,
      inputs: call.inputs.map((ref) => ({ ...ref, layer: names.get(ref.layer) ?? ref.layer })),
    })),
  }));
  const inputs = moved.filter(({ className }) => className === 'InputLayer');
  const others = moved.filter(({ className }) => className !== 'InputLayer');
  return { ...model, graph: { ...graph, layers: [...inputs, ...pools, ...others] } };
}
