import {
  type Arbitrary,
  array,
  constantFrom,
  double,
  jsonValue,
  nat,
  oneof,
  record,
} from 'fast-check';

/** One change to the bytes of a file; places are parts of its length. */
interface Mutation {
  readonly kind: 'flip' | 'fill' | 'number' | 'copy' | 'cut';
  readonly at: number;
  readonly from: number;
  readonly value: number;
}

const part = double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** Numbers that mean something in a file's structure: nothing, little, as much as can be, and what wraps. */
const telling = [0, 1, 7, 8, 0xff, 0x7f_ff_ff_ff, 0xff_ff_ff_f0, 0xff_ff_ff_ff];

const mutation: Arbitrary<Mutation> = record({
  kind: constantFrom('flip', 'fill', 'number', 'number', 'copy', 'cut'),
  // Structure lies at the beginning: half of the changes go there.
  at: oneof(
    part,
    part.map((whole) => whole / 8),
  ),
  from: part,
  value: oneof(constantFrom(...telling), nat(0xff_ff)),
});

/** A few changes. */
export const mutations = array(mutation, { minLength: 1, maxLength: 4 });

/** The bytes after the changes. */
export function mutated(bytes: Uint8Array, changes: readonly Mutation[]): Buffer {
  let result: Buffer = Buffer.from(bytes);
  for (const change of changes) result = applied(result, change);
  return result;
}

function applied(bytes: Buffer, { kind, at, from, value }: Mutation): Buffer {
  const start = Math.floor(at * bytes.length);
  const end = Math.min(bytes.length, start + 1 + (value % 64));
  switch (kind) {
    case 'cut':
      return bytes.subarray(0, start);
    case 'copy':
      bytes.copyWithin(start, Math.floor(from * bytes.length), end);
      break;
    case 'flip':
      for (const byte of bytes.subarray(start, start + 1)) bytes[start] = byte ^ (1 << (value % 8));
      break;
    case 'fill':
      bytes.fill(from < 0.5 ? 0 : 0xff, start, end);
      break;
    case 'number':
      if (start + 16 <= bytes.length) writeNumber(bytes, start - (start % 8), { from, value });
  }
  return bytes;
}

/** Fields lie at multiples of 8; half of them have 4 bytes. */
function writeNumber(
  bytes: Buffer,
  field: number,
  { from, value }: Pick<Mutation, 'from' | 'value'>,
): void {
  bytes.writeUInt32LE(value, field + (from < 0.5 ? 0 : 4));
  if (from < 0.25) bytes.writeUInt32LE(value === 0 ? 0 : 0xff_ff_ff_ff, field + 4);
}

/** Values that an architecture may have where it should not. */
export const odd = oneof(
  constantFrom(null, true, -1, 0, 1e308, '', 'x', '__proto__', [], {}, [[]], [null, -3]),
  jsonValue({ maxDepth: 2 }),
);

/** A JSON text with another value at one place. */
export function withOdd(text: string, place: number, value: unknown): string {
  const count = text.match(/[:,[]/g)?.length ?? 1;
  let seen = 0;
  const changed: unknown = JSON.parse(text, (_, old: unknown) =>
    seen++ === place % count ? value : old,
  );
  return JSON.stringify(changed);
}
