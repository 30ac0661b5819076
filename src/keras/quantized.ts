import { ToolkitError, type Where } from '../errors.ts';
import { sourceOf } from '../source.ts';
import type { TensorSource } from '../tensor.ts';
import { isJson, type Json, table } from './config.ts';
import { type DraftGraph, everyLayer } from './draft.ts';
import { mapped } from './elementwise.ts';
import type { KerasWeight } from './model.ts';

/** How the weights of a layer were quantised by Keras 3, such as "int8"; undefined for most layers. */
export function quantizationOf(config: Json): string | undefined {
  const policy = config['dtype'];
  if (!isJson(policy) || !isJson(policy['config'])) return undefined;
  const { mode, name } = policy['config'];
  if (typeof mode === 'string') return mode;
  const isQuantized = String(policy['class_name']).startsWith('Quantized');
  return isQuantized ? policyMode(name) : undefined;
}

/** Older files have "int8_from_float32" as the policy's name. */
function policyMode(name: unknown): string {
  return typeof name === 'string' ? (name.split('_from_')[0] ?? name) : 'unknown';
}

/** Classes whose int8 form is read, and whether there is a scale for each column rather than each row. */
const readable = table<'columns' | 'rows'>({
  Dense: 'columns',
  Embedding: 'rows',
});

/** Throws one KERAS_LAYER_UNSUPPORTED for all layers whose quantised form is not read. */
export function refuseQuantized(graph: DraftGraph, where: Where): void {
  const wrong = [...everyLayer(graph)].filter(({ className, config }) => {
    const mode = quantizationOf(config);
    return mode !== undefined && (mode !== 'int8' || !(className in readable));
  });
  const [first] = wrong;
  if (!first) return;
  const names = wrong.map(
    ({ name, className, config }) => `${name} (${className}, ${quantizationOf(config)})`,
  );
  throw new ToolkitError(
    'KERAS_LAYER_UNSUPPORTED',
    `Quantised layers are read where they are Dense or Embedding in int8, but found ${names.join(', ')}`,
    {
      where: { ...where, layer: first.name, path: first.path },
      hint: 'Save the model before it is quantised, or quantise it to int8.',
    },
  );
}

/**
 * The weights of a layer as float32 where they are int8 and a scale, which comes last: kernel = int8 / scale. Lazy.
 *
 * Source: keras/src/layers/core/dense.py, variable_serialization_spec, and quantizers.abs_max_quantize (3.15).
 */
export function dequantized(
  { className, config }: { readonly className: string; readonly config: Json },
  weights: readonly KerasWeight[],
): readonly KerasWeight[] {
  const along = readable[className];
  const scale = weights.at(-1);
  const [kernel, ...rest] = weights;
  if (quantizationOf(config) === undefined || !along || !scale || !kernel) return weights;
  const source = divided(kernel.source, scale.source, along);
  return [{ ...kernel, source }, ...rest.slice(0, -1)];
}

/** Memory: all scales. */
function divided(
  source: TensorSource,
  scale: TensorSource,
  along: 'columns' | 'rows',
): TensorSource {
  const [rows = 0, columns = 0] = source.shape;
  const count = along === 'rows' ? rows : columns;
  const floats = mapped(source, (number) => number);
  let scales: Float32Array | undefined;
  return sourceOf('float32', source.shape, (start, length) => {
    scales ??= new Float32Array(Uint8Array.from(mapped(scale, (n) => n).read(0, count)).buffer);
    const bytes = Uint8Array.from(floats.read(start, length));
    const numbers = new Float32Array(bytes.buffer);
    for (let i = 0; i < length; i++) {
      const at = along === 'rows' ? Math.floor((start + i) / columns) : (start + i) % columns;
      numbers[i] = (numbers[i] ?? 0) / (scales[at] ?? 1);
    }
    return bytes;
  });
}
