import { ToolkitError } from '../errors.ts';
import type { Tensor } from '../runtime/session.ts';
import type { DType, Value } from '../tensor.ts';
import type { NamedArray } from './arrays.ts';
import { numbersOf } from './compare.ts';

/** How numbers become those of an element type; types that inputs do not have are absent. */
const casts: { readonly [Type in DType]?: (numbers: ArrayLike<number>) => Tensor['data'] } = {
  float32: (numbers) => Float32Array.from(numbers),
  float64: (numbers) => Float64Array.from(numbers),
  int8: (numbers) => Int8Array.from(numbers),
  uint8: (numbers) => Uint8Array.from(numbers),
  int16: (numbers) => Int16Array.from(numbers),
  uint16: (numbers) => Uint16Array.from(numbers),
  int32: (numbers) => Int32Array.from(numbers),
  uint32: (numbers) => Uint32Array.from(numbers),
  int64: (numbers) => BigInt64Array.from(Array.from(numbers, BigInt)),
  uint64: (numbers) => BigUint64Array.from(Array.from(numbers, BigInt)),
  bool: (numbers) => Uint8Array.from(numbers, Number),
};

/**
 * An array as a model's input takes it: NumPy makes float64 and int64 of what Python calls numbers.
 *
 * Throws REFERENCE_INVALID where the shape does not fit, or where fractions would be cut off.
 */
export function fedTo(input: Value, array: NamedArray): Tensor {
  const { shape } = array;
  const fits =
    shape.length === input.shape.length &&
    input.shape.every((dim, axis) => typeof dim === 'string' || dim === shape[axis]);
  if (!fits) {
    const wanted = `[${input.shape.join(', ')}]`;
    throw invalid(
      array,
      `Input "${input.name}" must have shape ${wanted}, not [${shape.join(', ')}]`,
    );
  }
  const tensor = array.read();
  if (tensor.dtype === input.dtype) return tensor;
  const numbers = numbersOf(tensor);
  const isWhole = !input.dtype.startsWith('float');
  if (isWhole && !Array.prototype.every.call(numbers, Number.isInteger)) {
    throw invalid(array, `Input "${input.name}" takes ${input.dtype}, but the array has fractions`);
  }
  const cast = casts[input.dtype];
  if (!cast) {
    throw invalid(array, `Input "${input.name}" takes ${input.dtype}, but this is ${tensor.dtype}`);
  }
  return { dtype: input.dtype, shape, data: cast(numbers) };
}

function invalid({ file, name }: NamedArray, what: string): ToolkitError {
  return new ToolkitError('REFERENCE_INVALID', what, {
    where: { file, path: name },
    hint: 'Give the inputs that Keras was given, in the order and layout of the model.',
  });
}
