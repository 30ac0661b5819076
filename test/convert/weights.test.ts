import { describe, expect, it } from 'vitest';
import { channelsFirstRows, computed, numbersOf } from '../../src/convert/weights.ts';
import { floatSource } from '../../src/source.ts';
import { counting } from './made-model.ts';

describe('channelsFirstRows', () => {
  // Two places of three channels, rows of two numbers: row 1 is place 0 channel 1, row 3 is place 1 channel 0.
  const rows = channelsFirstRows(floatSource([6, 2], counting([6, 2])), [2, 1, 3]);
  const expected = [1, 2, 7, 8, 3, 4, 9, 10, 5, 6, 11, 12];

  it('puts the places of one channel side by side', () => {
    expect(rows.shape).toEqual([6, 2]);
    expect(numbersOf(rows)).toEqual(expected);
  });

  it('reads any part alike', () => {
    for (let start = 0; start < 12; start++) {
      const bytes = rows.read(start, 12 - start).slice();
      expect([...new Float32Array(bytes.buffer)]).toEqual(expected.slice(start));
    }
    expect(rows.read(5, 0)).toHaveLength(0);
  });

  it('comes in strips of whole channels, never all at once', () => {
    const places = 4;
    const channels = 64;
    const units = 64 * 1024;
    const reads: number[] = [];
    const shape = [places * channels, units];
    const large = channelsFirstRows(
      {
        dtype: 'float32',
        shape,
        read: (_, count) => {
          reads.push(count);
          return new Uint8Array(count * 4);
        },
        chunks: () => [],
      },
      [places, 1, channels],
    );
    let bytes = 0;
    for (const chunk of large.chunks()) {
      expect(chunk.byteLength).toBeLessThanOrEqual(16 * 1024 * 1024);
      bytes += chunk.byteLength;
    }
    expect(bytes).toBe(places * channels * units * 4);
    expect(Math.max(...reads) * 4).toBeLessThanOrEqual(16 * 1024 * 1024);
  });
});

describe('computed', () => {
  it('is worked out once, when it is first read', () => {
    let times = 0;
    const source = computed([2], () => {
      times += 1;
      return [0.5, 2];
    });
    expect(times).toBe(0);
    expect([...numbersOf(source), ...numbersOf(source)]).toEqual([0.5, 2, 0.5, 2]);
    expect(times).toBe(1);
  });
});
