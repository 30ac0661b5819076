import { bytesSource, sourceOf } from '../source.ts';
import { dtypeBytes, sizeOf, type TensorSource } from '../tensor.ts';

/** All numbers of a float32 weight: only for vectors and other small ones. */
export function numbersOf(source: TensorSource): readonly number[] {
  return [...new Float32Array(source.read(0, sizeOf(source.shape)).slice().buffer)];
}

/** A small weight that is worked out from others when it is first read. */
export function computed(shape: readonly number[], compute: () => ArrayLike<number>): TensorSource {
  let made: TensorSource | undefined;
  return sourceOf('float32', shape, (start, count) => {
    made ??= bytesSource('float32', shape, new Uint8Array(Float32Array.from(compute()).buffer));
    return made.read(start, count);
  });
}

/** How much of a weight is put in order at once: large enough that few, long reads do it. */
const stripBytes = 8 * 1024 * 1024;

/**
 * A weight whose first axis runs over flattened maps [...spatial, C], put into the order [C, ...spatial].
 *
 * Lazy. Rows of one channel lie C rows apart, so those of neighbouring channels are read together. Memory: 16 MiB, or
 * twice the rows of one channel if they are more.
 */
export function channelsFirstRows(source: TensorSource, maps: readonly number[]): TensorSource {
  const channels = maps.at(-1) ?? 1;
  const places = sizeOf(maps.slice(0, -1));
  const row = sizeOf(source.shape.slice(1));
  const width = dtypeBytes[source.dtype];
  const strip = (first: number, count: number, into?: Uint8Array): Uint8Array => {
    const length = count * places * row * width;
    const out = into?.subarray(0, length) ?? new Uint8Array(length);
    const buffer = new Uint8Array(count * row * width);
    for (let place = 0; place < places; place++) {
      const rows = source.read((place * channels + first) * row, count * row, buffer);
      for (let i = 0; i < count; i++) {
        const from = i * row * width;
        out.set(rows.subarray(from, from + row * width), (i * places + place) * row * width);
      }
    }
    return out;
  };
  const block = places * row;
  const ordered = sourceOf(source.dtype, source.shape, (start, count) => {
    if (count === 0) return new Uint8Array(0);
    const first = Math.floor(start / block);
    const last = Math.floor((start + count - 1) / block);
    const from = (start - first * block) * width;
    return strip(first, last - first + 1).subarray(from, from + count * width);
  });
  const step = Math.max(1, Math.floor(stripBytes / (block * width)));
  return {
    ...ordered,
    *chunks() {
      const buffer = new Uint8Array(Math.min(step, channels) * block * width);
      for (let first = 0; first < channels; first += step) {
        yield strip(first, Math.min(step, channels - first), buffer);
      }
    },
  };
}
