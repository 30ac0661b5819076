import type { Value } from '../../../tensor.ts';
import { integers, type KerasTensor, kerasTensor } from '../../layout.ts';
import { Algebra } from './algebra.ts';
import type { OperationCall } from './call.ts';
import type { Operation } from './elementwise.ts';

/** A whole number, or one that is computed, as an int64 list of one. */
function sizeOf(part: unknown, call: OperationCall): Value {
  const m = new Algebra(call.bench.graph);
  const tensor = call.tensorOf(part);
  if (!tensor) return integers(m.graph, 'size', [Number(part)]);
  return m.reshape(m.cast(call.bench.layouts.keras(tensor).value, 'int64'), [1]);
}

/** The same number everywhere, in a shape that is computed. */
export function filled(number: number | undefined): Operation {
  return (call) => {
    const m = new Algebra(call.bench.graph);
    const shape: unknown = call.raw(0, 'shape', 'dims');
    const list: readonly unknown[] = Array.isArray(shape) ? shape : [];
    const tensor = call.tensorOf(shape);
    const sizes = tensor
      ? m.cast(call.bench.layouts.keras(tensor).value, 'int64')
      : m.concat(
          list.map((part) => sizeOf(part, call)),
          0,
        );
    const to = number === undefined ? 'float32' : (call.dtype('dtype', 1) ?? 'float32');
    const fill =
      number === undefined
        ? call.value(1, { dtype: 'float32' }, 'value')
        : m.number(number, { dtype: to });
    const value = m.graph.add('Expand', [fill, sizes]);
    const dims = value.shape.map((_, axis) => {
      const size = list[axis];
      return typeof size === 'number' ? size : `${value.name}_${axis}`;
    });
    return kerasTensor(m.graph.rename(value, value.name, dims));
  };
}

/** start, start + delta, … below the limit; one number is the limit. */
export function range(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const isOnlyLimit = call.raw(1, 'limit') === undefined;
  const to = call.dtype('dtype') ?? 'int32';
  const term = (part: unknown): Value => {
    const tensor = call.tensorOf(part);
    const value = tensor
      ? call.bench.layouts.keras(tensor).value
      : call.constantOf(part, { dtype: 'int64' });
    return m.reshape(m.cast(value, 'int64'), []);
  };
  const first = call.raw(0, 'start');
  const [start, limit] = isOnlyLimit ? [0, first] : [first, call.raw(1, 'limit')];
  const numbers = m.graph.add('Range', [term(start), term(limit), term(call.raw(2, 'delta') ?? 1)]);
  const value = m.graph.rename(numbers, numbers.name, [`${numbers.name}_size`]);
  return kerasTensor(m.cast(value, to));
}
