import { ToolkitError, type Where } from '../errors.ts';
import { type DType, dtypeBytes } from '../tensor.ts';
import { isJson, type Json } from './config.ts';
import type { Entry } from './entries.ts';
import type { Dialect } from './legacy.ts';
import type { KerasInput } from './model.ts';

/** The input that an InputLayer entry describes. Throws KERAS_CONFIG_INVALID when it has no shape. */
export function inputOf(entry: Entry & { readonly name: string }, where: Where): KerasInput {
  return { name: entry.name, shape: needShape(entry, where), dtype: dtypeOf(entry.config) };
}

/**
 * The input that the first layer of a Sequential implies.
 *
 * Its name is what that Keras gave it: Keras 1 "<class>_input_1" (engine/topology.py, create_input_layer; the first
 * model of a process is assumed), Keras 2 "<layer>_input". Keras 0 had no such names; "<layer>_input" is ours.
 */
export function implicitInput(
  entry: Entry & { readonly name: string },
  dialect: Dialect,
  options: {
    readonly where: Where;
    readonly counts: Map<string, number>;
    readonly shape: unknown;
  },
): KerasInput {
  const name =
    dialect.generation === 'Keras 1'
      ? numbered(`${entry.className.toLowerCase()}_input`, options.counts)
      : `${entry.name}_input`;
  const shape = shapeOf(entry) ?? withoutBatch(options.shape);
  return { name, shape: shape ?? needShape(entry, options.where), dtype: dtypeOf(entry.config) };
}

function numbered(name: string, counts: Map<string, number>): string {
  const number = (counts.get(name) ?? 0) + 1;
  counts.set(name, number);
  return `${name}_${number}`;
}

function needShape(entry: Entry, where: Where): readonly (number | null)[] {
  const shape = shapeOf(entry);
  if (shape) return shape;
  throw new ToolkitError(
    'KERAS_CONFIG_INVALID',
    'The model does not say what shape its input has',
    {
      where: { ...where, path: entry.path, layer: entry.name },
      hint: 'Build the model before saving it: give its first layer an input_shape.',
    },
  );
}

function shapeOf({ className, config }: Entry): readonly (number | null)[] | undefined {
  const stated = withoutBatch(config['batch_input_shape'] ?? config['batch_shape']);
  if (stated) return stated;
  const { input_dim: dim, input_length: length } = config;
  const steps = typeof length === 'number' ? length : null;
  // Keras 0 states the number of words as an Embedding's input_shape.
  if (className === 'Embedding') return [steps];
  const shape = dimsOf(config['input_shape']);
  if (shape) return shape;
  if (typeof dim !== 'number') return undefined;
  const isSequence = 'input_length' in config || /RNN|LSTM|GRU|1D/.test(className);
  return isSequence ? [steps, dim] : [dim];
}

function withoutBatch(value: unknown): readonly (number | null)[] | undefined {
  return dimsOf(value)?.slice(1);
}

function dimsOf(value: unknown): readonly (number | null)[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const list: readonly unknown[] = value;
  return list.every((dim): dim is number | null => dim === null || typeof dim === 'number')
    ? list
    : undefined;
}

/** float32 unless stated; tf.keras may state a policy. */
function dtypeOf(config: Json): DType {
  const stated = config['input_dtype'] ?? config['dtype'];
  if (isJson(stated) || typeof stated !== 'string') return 'float32';
  const found = Object.keys(dtypeBytes).find((dtype): dtype is DType => dtype === stated);
  return found ?? 'float32';
}
