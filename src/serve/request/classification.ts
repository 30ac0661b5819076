import { datatypes } from './datatypes.ts';
import type { InferTensor } from './infer.ts';
import { numbersIn } from './views.ts';

const encoder = new TextEncoder();

/**
 * The best classes of an output, as texts: [N, classes…] → BYTES [N, count], each "value:index" or "value:index:label".
 *
 * Source: Triton's classification extension.
 */
export function classified(
  output: InferTensor,
  about: {
    readonly count: number;
    readonly isBatched: boolean;
    readonly classes: readonly string[] | undefined;
  },
): InferTensor {
  const rows = about.isBatched ? (output.shape[0] ?? 1) : 1;
  const values = valuesOf(output);
  const width = rows === 0 ? 0 : values.length / rows;
  const count = Math.min(about.count, width);
  const data = Array.from({ length: rows }, (_, row) =>
    best(values.subarray(row * width, (row + 1) * width), count).map(({ index, value }) => {
      const label = about.classes?.[index];
      return encoder.encode(
        `${value.toFixed(6)}:${index}${label === undefined ? '' : `:${label}`}`,
      );
    }),
  ).flat();
  const shape = about.isBatched ? [rows, count] : [count];
  return { name: output.name, datatype: 'BYTES', shape, data };
}

/** An output's numbers; 16-bit floats are widened. */
export function valuesOf({ datatype, data }: InferTensor): Float64Array {
  const { dtype } = datatypes[datatype];
  if (!(data instanceof Uint8Array) || dtype === 'string') return new Float64Array(0);
  const numbers = numbersIn(dtype, data);
  const values: Iterable<number | bigint> = numbers;
  return Float64Array.from(values, (value) =>
    dtype === 'float16' ? fromHalf(Number(value)) : Number(value),
  );
}

/** IEEE 754 binary16. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function best(row: Float64Array, count: number): { index: number; value: number }[] {
  return Array.from(row, (value, index) => ({ index, value }))
    .toSorted((a, b) => b.value - a.value || a.index - b.index)
    .slice(0, count);
}
