import type { Port, Session, Tensor, TextTensor } from '../../runtime/session.ts';
import type { DType, Numbers } from '../../tensor.ts';
import { sizeOf } from '../../tensor.ts';
import { numbersOf } from '../request/views.ts';
import type { BatchRule } from './messages.ts';

/**
 * Whether the first axis of a model's values is a batch: rows that do not touch each other.
 *
 * The shapes can only suggest it (a recurrent net may have time first), so rows are run alone and together, and must
 * come out alike. Where made-up numbers cannot be run, one symbolic name for all first axes decides. A configuration
 * that says so is believed.
 */
export async function batchRule(
  session: Session,
  batched: boolean | undefined,
): Promise<BatchRule> {
  if (batched === false) return { kind: 'none', reason: 'max_batch_size is 0' };
  const ports = [...session.inputs, ...session.outputs];
  const leads = new Set(ports.map(({ shape }) => shape[0]));
  if (ports.some(({ shape }) => shape.length === 0)) {
    return { kind: 'none', reason: 'an input or output has no axis' };
  }
  if ([...leads].every((lead) => typeof lead === 'string')) {
    if (batched === true) return { kind: 'dynamic' };
    const proof = await rowsAreIndependent(session, { alone: 1, joined: 2 });
    if (proof ?? leads.size === 1) return { kind: 'dynamic' };
    return { kind: 'none', reason: 'rows of one run influence each other' };
  }
  const [size] = leads;
  if (leads.size > 1 || typeof size !== 'number' || size < 1) {
    return { kind: 'none', reason: 'the first axes of inputs and outputs differ' };
  }
  if (size === 1) return { kind: 'fixed', size };
  const proof = await rowsAreIndependent(session, { alone: size, joined: size });
  if (proof === true) return { kind: 'fixed', size };
  return { kind: 'none', reason: 'rows of one run influence each other, as far as can be seen' };
}

/** Runs made-up inputs of these batch sizes once, so that memory and kernels are there. */
export async function warmUp(session: Session, sizes: readonly number[]): Promise<void> {
  for (const rows of sizes) {
    const order = Array.from({ length: rows }, (_, i) => i);
    await attempt(session, order);
  }
}

/** Sizes that are tried for axes of unknown size: many a net needs more than one pixel. */
const guesses = [1, 32];

/** `undefined` where the made-up numbers do not run. */
async function rowsAreIndependent(
  session: Session,
  sizes: { readonly alone: number; readonly joined: number },
): Promise<boolean | undefined> {
  const { alone, joined } = sizes;
  const order = Array.from({ length: joined }, (_, i) => i);
  const together = await attempt(session, order);
  const swapped = await attempt(session, [1, 0, ...order.slice(2)].slice(0, alone));
  if (!together || !swapped) return undefined;
  return session.outputs.every(({ name }) => {
    const [all, other] = [together[name], swapped[name]];
    if (!all || !other) return false;
    if (all.shape[0] !== joined || other.shape[0] !== alone) return false;
    return rowsAlike(rowOf(all, 1), rowOf(other, 0));
  });
}

async function attempt(
  session: Session,
  rows: readonly number[],
): Promise<Record<string, Tensor | TextTensor> | undefined> {
  const hasUnknown = session.inputs.some(({ shape }) =>
    shape.slice(1).some((dim) => typeof dim === 'string'),
  );
  for (const guess of hasUnknown ? guesses : guesses.slice(0, 1)) {
    const feeds = Object.fromEntries(
      session.inputs.map((port) => [port.name, madeUp(port, rows, guess)]),
    );
    try {
      return await session.runAny(feeds);
    } catch {
      // Made-up numbers may be refused (ids out of a vocabulary, a picture too small): then nothing is proved.
      continue;
    }
  }
  return undefined;
}

/** Rows whose numbers depend on the number of the row alone. Whole numbers are 0 and 1, which most vocabularies have. */
function madeUp(
  { dtype, ...port }: Port,
  rows: readonly number[],
  guess: number,
): Tensor | TextTensor {
  const rest = port.shape.slice(1).map((dim) => (typeof dim === 'number' ? dim : guess));
  const shape = port.shape.length === 0 ? [] : [rows.length, ...rest];
  const width = sizeOf(rest);
  if (dtype === 'string') {
    const data = rows.flatMap((row) => Array.from({ length: width }, () => `row ${row}`));
    return { dtype: 'string', shape, data };
  }
  const bytes = new Uint8Array(sizeOf(shape) * 8);
  const data = numbersOf(dtype, bytes.buffer, { offset: 0, count: sizeOf(shape) });
  rows.forEach((row, at) => fill(data, dtype, { start: at * width, width, row }));
  return { dtype, shape, data };
}

function fill(
  data: Numbers,
  dtype: DType,
  { start, width, row }: { readonly start: number; readonly width: number; readonly row: number },
): void {
  for (let i = 0; i < width; i++) {
    // 0x3c00 is 1 as float16.
    const whole = (i + row) % 2;
    const wave = Math.sin(i * 12.9898 + row * 78.233) * 2;
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
      data[start + i] = BigInt(whole);
    } else if (dtype === 'float16') data[start + i] = whole * 0x3c00;
    else data[start + i] = dtype.startsWith('float') ? wave : whole;
  }
}

function rowOf({ shape, data }: Tensor | TextTensor, row: number): readonly (number | string)[] {
  const width = sizeOf(shape.slice(1));
  const values: Iterable<number | bigint | string> = data.slice(row * width, (row + 1) * width);
  return [...values].map((value) => (typeof value === 'string' ? value : Number(value)));
}

/** Kernels for one row and for several may add in another order. */
const tolerance = 1e-2;

function rowsAlike(a: readonly (number | string)[], b: readonly (number | string)[]): boolean {
  if (a.length !== b.length) return false;
  const scale = a.reduce<number>((most, value) => Math.max(most, Math.abs(Number(value)) || 0), 0);
  return a.every((value, i) => {
    const other = b[i];
    if (value === other || (Number.isNaN(value) && Number.isNaN(other))) return true;
    if (typeof value !== 'number' || typeof other !== 'number') return false;
    return Math.abs(value - other) <= tolerance * Math.min(scale, 1) + 1e-3 * scale;
  });
}
