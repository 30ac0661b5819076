import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ToolkitError } from '../../src/errors.ts';
import { openNpy } from '../../src/verify/npy.ts';
import { npy } from './numpy.ts';

function opened(bytes: Buffer) {
  const read = (position: number, length: number): Uint8Array =>
    bytes.subarray(position, position + length);
  return openNpy({ file: 'a.npy', length: bytes.length, read });
}

const numbers = (bytes: Buffer): unknown[] => [...opened(bytes).read().data];

describe('an array of NumPy', () => {
  it('is read with its type and shape', () => {
    const { dtype, shape, data } = opened(
      npy('<f4', [2, 1], Buffer.from('0000803f000000c0', 'hex')),
    ).read();
    expect({ dtype, shape, data: [...data] }).toEqual({
      dtype: 'float32',
      shape: [2, 1],
      data: [1, -2],
    });
  });

  it.each([
    ['<f8', '000000000000f03f', [1]],
    ['>f4', '3f800000', [1]],
    ['>i2', '0102', [258]],
    ['<i8', 'ffffffffffffffff', [-1n]],
    ['|u1', 'ff', [255]],
    ['|b1', '01', [1]],
    ['<f2', '003c', [0x3c00]],
  ])('of type %s is read', (descr, hex, expected) => {
    expect(numbers(npy(descr, [1], Buffer.from(hex, 'hex')))).toEqual(expected);
  });

  it('in Fortran order is brought into row-major order', () => {
    // [[1, 2, 3], [4, 5, 6]], column by column
    const data = Buffer.of(1, 4, 2, 5, 3, 6);
    expect(numbers(npy('|u1', [2, 3], data, true))).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('without axes is one number', () => {
    const { shape, data } = opened(npy('|u1', [], Buffer.of(7))).read();
    expect([shape, [...data]]).toEqual([[], [7]]);
  });

  it('of version 2 is read', () => {
    const first = npy('|u1', [1], Buffer.of(9));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(first.readUInt16LE(8));
    const second = Buffer.concat([first.subarray(0, 8), length, first.subarray(10)]);
    second[6] = 2;
    expect(numbers(second)).toEqual([9]);
  });

  it.each([
    ['of objects', npy('|O', [1], Buffer.alloc(8)), 'REFERENCE_INVALID'],
    ['of texts', npy('<U4', [1], Buffer.alloc(16)), 'REFERENCE_INVALID'],
    ['that is cut short', npy('<f4', [3], Buffer.alloc(8)), 'FILE_TRUNCATED'],
    ['that is larger than it says', npy('<f4', [1], Buffer.alloc(8)), 'FILE_TRUNCATED'],
    ['of a size no file has', npy('<f4', [1e9, 1e6], Buffer.alloc(8)), 'FILE_TRUNCATED'],
    ['with a negative axis', npy('<f4', [-1], Buffer.alloc(4)), 'REFERENCE_INVALID'],
    ['cut in its header', npy('<f4', [1], Buffer.alloc(4)).subarray(0, 40), 'REFERENCE_INVALID'],
    ['that is something else', Buffer.from('a text that is long enough'), 'REFERENCE_INVALID'],
    ['of nothing', Buffer.alloc(0), 'REFERENCE_INVALID'],
  ])('%s is refused', (_, bytes, code) => {
    expect(() => opened(bytes)).toThrow(
      expect.objectContaining({ code, where: { file: 'a.npy', path: undefined } }),
    );
  });

  it('that was damaged is read as far as it makes sense, or refused, and never crashes', () => {
    const whole = npy('<f4', [2, 3], Buffer.alloc(24, 1), true);
    const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(damage, fc.nat(whole.length), (changes, length) => {
        const bytes = Buffer.from(whole.subarray(0, length));
        for (const [at, value] of changes) if (at < length) bytes[at] = value;
        try {
          expect(opened(bytes).read().data.byteLength).toBeLessThanOrEqual(24);
        } catch (error) {
          expect(error).toBeInstanceOf(ToolkitError);
        }
      }),
      { seed: 6, numRuns: 3000 },
    );
  });
});
