import { ToolkitError } from '../errors.ts';
import type { Session, Tensor } from '../runtime/session.ts';
import { dtypeArrays, sizeOf, type Value } from '../tensor.ts';
import type { NamedArray } from './arrays.ts';
import { fedTo } from './cast.ts';

/** A model's inputs, each with the array that goes into it; all arrays have as many rows. */
export interface Feeding {
  readonly inputs: readonly { readonly input: Value; readonly array: NamedArray }[];
  readonly rows: number;
}

/**
 * Finds the array of each input: the one of its name, or, for arrays without names, by their order; a single array
 * belongs to a single input, whatever it is called.
 *
 * Throws REFERENCE_INVALID where one is missing or they differ in rows.
 */
export function feedingOf(inputs: readonly Value[], arrays: readonly NamedArray[]): Feeding {
  const unnamed = arrays.filter(({ name }) => name === undefined);
  const isOne = inputs.length === 1 && arrays.length === 1;
  const found = inputs.map((input) => {
    const named = arrays.find(({ name }) => name === input.name);
    const array = isOne ? arrays[0] : (named ?? unnamed.shift());
    if (!array) throw missing(input, inputs, arrays);
    return { input, array };
  });
  const stray = isOne ? undefined : unnamed[0];
  if (stray)
    throw invalid(
      `The model takes ${inputs.length} arrays, but more are given`,
      stray.file,
      inputs,
    );
  const [first] = found;
  const rows = first?.array.shape[0] ?? 0;
  for (const { array } of found) {
    if (array.shape[0] === rows) continue;
    const what = `All arrays must have as many rows, but one has ${rows} and another ${array.shape[0] ?? 'none'}`;
    throw invalid(what, array.file, inputs);
  }
  return { inputs: found, rows };
}

/**
 * Runs a model on arrays, so many rows at a time, and gives what it puts out, in order.
 *
 * A model with a fixed batch size gets short batches filled up with zeros, whose answers are left out. Memory: the rows
 * of a batch. Throws REFERENCE_INVALID, RUNTIME_FAILED, and MODEL_CARD_INVALID for outputs that have no row a sample.
 */
export async function* answers(
  session: Session,
  { inputs, rows }: Feeding,
  { batch = 256 }: { readonly batch?: number | undefined } = {},
): AsyncGenerator<Readonly<Record<string, Tensor>>> {
  const fixed = inputs.map(({ input }) => input.shape[0]).find((dim) => typeof dim === 'number');
  const size = fixed ?? batch;
  for (let start = 0; start < rows; start += size) {
    const count = Math.min(size, rows - start);
    const feeds = inputs.map(({ input, array }) => {
      const shape = [fixed ?? count, ...array.shape.slice(1)];
      const read = (): Tensor => filledUp(array.rows(start, count), shape);
      return [input.name, fedTo(input, { ...array, shape, read })] as const;
    });
    const results = await session.run(Object.fromEntries(feeds));
    yield Object.fromEntries(
      Object.entries(results).map(([name, tensor]) => [
        name,
        firstRows(tensor, { name, count, of: fixed ?? count }),
      ]),
    );
  }
}

function filledUp(tensor: Tensor, shape: readonly number[]): Tensor {
  if (tensor.shape[0] === shape[0]) return tensor;
  const { dtype, data } = tensor;
  const whole = new Uint8Array((data.byteLength / data.length) * sizeOf(shape));
  whole.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return { dtype, shape, data: new dtypeArrays[dtype](whole.buffer) };
}

function firstRows(
  { dtype, shape, data }: Tensor,
  { name, count, of }: { readonly name: string; readonly count: number; readonly of: number },
): Tensor {
  const [found, ...row] = shape;
  if (found === of) {
    return { dtype, shape: [count, ...row], data: data.subarray(0, count * sizeOf(row)) };
  }
  throw new ToolkitError(
    'MODEL_CARD_INVALID',
    `Output "${name}" has no row for each of ${of} samples: its shape is [${shape.join(', ')}]`,
    {
      hint: 'In the library, openSession runs models whose samples do not go along the first axis.',
    },
  );
}

function missing(
  input: Value,
  inputs: readonly Value[],
  arrays: readonly NamedArray[],
): ToolkitError {
  const names = arrays.flatMap(({ name }) => name ?? []);
  const given = names.length > 0 ? `; the arrays are called ${names.join(', ')}` : '';
  return invalid(
    `There is no array for the input "${input.name}"${given}`,
    arrays[0]?.file,
    inputs,
  );
}

function invalid(what: string, file: string | undefined, inputs: readonly Value[]): ToolkitError {
  const wanted = inputs.map(
    ({ name, dtype, shape }) => `"${name}", ${dtype} [${shape.join(', ')}]`,
  );
  return new ToolkitError('REFERENCE_INVALID', what, {
    where: { file },
    hint: `The model takes ${wanted.join(' and ')}: one .npy for each in this order, NAME=FILE.npy, or an .npz with these names.`,
  });
}
