import { z } from 'zod';
import type { Shape, TensorSource, Value } from '../tensor.ts';

/** One Keras layer of the model. */
export interface LayerRecord {
  readonly name: string;
  readonly class: string;
  /** The value that the layer puts out; null when the layer was fused into the next one. */
  readonly output: string | null;
  /**
   * How the numbers of `output` lie, where not as Keras has them: channels first for Keras' channels last; steps before
   * the batch; or, for one axis that runs over [...spatial, C] in Keras, that shape: it runs over [C, ...spatial].
   */
  readonly order?: 'channels_first' | 'time_first' | readonly number[] | undefined;
  /** In Keras' layout, null for the batch. */
  readonly shape: readonly (number | null)[];
  /** The initializers that are its weights. */
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** How many numbers Keras counts as its parameters, where the initializers have others: ONNX wants zeros beside them. */
  readonly count?: number | undefined;
  /** Of a Dropout. */
  readonly rate?: number | undefined;
}

const order = z.union([z.enum(['channels_first', 'time_first']), z.array(z.number())]);
const shape = z.array(z.number().nullable());

/** Orders that many layers have, in one element. */
const shortOrders = { cf: 'channels_first', tf: 'time_first' } as const;

/** What is not so for most layers. */
const rest = z.object({
  output: z.string().nullable().optional(),
  order: order.optional(),
  shape: shape.optional(),
  count: z.number().optional(),
  rate: z.number().optional(),
});

/**
 * As it is written, short, since small models are mostly this: [name, class, …], and then, in any number, names of its
 * weights, "cf" or "tf" as its order, and the rest. Its output is the value of its name, and its shape is that value's,
 * unless they are said.
 */
const entry = z.tuple(
  [z.string(), z.string()],
  z.union([z.array(z.string()), z.enum(['cf', 'tf']), rest]),
);

/** As version 0.1.0 wrote it. */
const record = z.object({
  name: z.string(),
  class: z.string(),
  output: z.string().nullable(),
  order: order.optional(),
  shape,
  parameters: z.array(z.object({ name: z.string(), shape: z.array(z.number()) })),
  rate: z.number().optional(),
});

/** `graft.layers`. */
export const writtenLayers = z.array(z.union([entry, record]));

/** Begins a weight's full name; others are told without the layer's. */
const fullName = '=';

/** The layers as they are written. Shapes of weights are those of the initializers. */
export function layerEntries(layers: readonly LayerRecord[]): unknown[] {
  return layers.map(({ name, class: kind, parameters, ...others }) => {
    const weights = parameters.map((weight) =>
      weight.name.startsWith(`${name}/`)
        ? weight.name.slice(name.length + 1)
        : `${fullName}${weight.name}`,
    );
    const short = Object.entries(shortOrders).find(([, long]) => long === others.order)?.[0];
    const isOwn = others.output === name;
    const more = Object.entries({
      output: isOwn ? undefined : others.output,
      order: short === undefined ? others.order : undefined,
      shape: isOwn ? undefined : others.shape,
      count: others.count,
      rate: others.rate,
    }).filter(([, value]) => value !== undefined);
    return [
      name,
      kind,
      ...(weights.length > 0 ? [weights] : []),
      ...(short === undefined ? [] : [short]),
      ...(more.length > 0 ? [Object.fromEntries(more)] : []),
    ];
  });
}

/** What a model says of its values and weights. */
interface Named {
  readonly initializers: ReadonlyMap<string, Pick<TensorSource, 'shape'>>;
  readonly values: ReadonlyMap<string, Pick<Value, 'shape'>>;
}

/** The layers as they were written. Weights that the model does not have are left out. */
export function layerRecords(
  written: z.infer<typeof writtenLayers>,
  { initializers, values }: Named,
): LayerRecord[] {
  return written.map((each) => {
    if (!Array.isArray(each)) return each;
    const [name, kind, ...more] = each;
    const parts = partsOf(more);
    const parameters = parts.weights.flatMap((weight) => {
      const full = weight.startsWith(fullName) ? weight.slice(1) : `${name}/${weight}`;
      const found = initializers.get(full);
      return found ? [{ name: full, shape: found.shape }] : [];
    });
    const { output = name, order: lie, count, rate } = parts.rest;
    const dims = parts.rest.shape ?? kerasShape(values.get(output ?? '')?.shape ?? [], lie);
    return {
      name,
      class: kind,
      output,
      ...(lie === undefined ? {} : { order: lie }),
      shape: dims,
      parameters,
      ...(count === undefined ? {} : { count }),
      ...(rate === undefined ? {} : { rate }),
    };
  });
}

type Part = readonly string[] | keyof typeof shortOrders | z.infer<typeof rest>;

function partsOf(parts: readonly Part[]): {
  readonly weights: readonly string[];
  readonly rest: z.infer<typeof rest>;
} {
  let weights: readonly string[] = [];
  let found: z.infer<typeof rest> = {};
  for (const part of parts) {
    if (typeof part === 'string') found = { ...found, order: shortOrders[part] };
    else if (isList(part)) weights = part;
    else found = { ...found, ...part };
  }
  return { weights, rest: found };
}

/** Array.isArray does not know readonly arrays. */
function isList(part: Part): part is readonly string[] {
  return Array.isArray(part);
}

/** The shape that Keras has for a value of this shape. */
function kerasShape(dims: Shape, lie: LayerRecord['order']): (number | null)[] {
  const sizes = dims.map((dim) => (typeof dim === 'number' ? dim : null));
  const [first = null, second = null, ...others] = sizes;
  if (lie === 'channels_first') return [first, ...others, second];
  return lie === 'time_first' ? [second, first, ...others] : sizes;
}
