import { createHash } from 'node:crypto';

const size = 624;
const shift = 397;

/**
 * NumPy's legacy generator `RandomState(seed)`: MT19937 with the seeding, the doubles and the permutations of NumPy.
 *
 * Equal seeds give the numbers of `numpy.random.RandomState(seed)`, which Keras 1 drew its first weights from.
 */
export class RandomState {
  readonly #state = new Uint32Array(size);
  #at = size;

  /** A whole number from 0 to 2³² - 1. */
  constructor(seed: number) {
    this.#state[0] = seed;
    for (let i = 1; i < size; i++) {
      const before = this.#state[i - 1] ?? 0;
      this.#state[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i;
    }
  }

  /** The next 32 bits. */
  uint32(): number {
    if (this.#at === size) this.#refill();
    let y = this.#state[this.#at++] ?? 0;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  /** A number in [0, 1) with 53 random bits. */
  double(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  /** Numbers in [low, high), rounded to float32. */
  uniform(low: number, high: number, count: number): Float32Array {
    return Float32Array.from({ length: count }, () => low + (high - low) * this.double());
  }

  /** The numbers 0 to n - 1 in random order. */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.#upTo(i);
      const kept = order[i] ?? 0;
      order[i] = order[j] ?? 0;
      order[j] = kept;
    }
    return order;
  }

  /** A whole number from 0 to less than `count`, as `randint(0, count)`: the only one there is costs no draw. */
  below(count: number): number {
    return count <= 1 ? 0 : this.#upTo(count - 1);
  }

  /** A whole number from 0 to `most`, by throwing away what is too large. */
  #upTo(most: number): number {
    const mask = 2 ** (32 - Math.clz32(most)) - 1;
    for (;;) {
      const drawn = (this.uint32() & mask) >>> 0;
      if (drawn <= most) return drawn;
    }
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < size; i++) {
      const next = state[(i + 1) % size] ?? 0;
      const y = ((state[i] ?? 0) & 0x80000000) | (next & 0x7fffffff);
      const mixed = (state[(i + shift) % size] ?? 0) ^ (y >>> 1);
      state[i] = y & 1 ? mixed ^ 0x9908b0df : mixed;
    }
    this.#at = 0;
  }
}

/** What random numbers are used for: each purpose draws from a stream of its own, so that one does not move another. */
export type Purpose =
  | 'init'
  | 'shuffle'
  | 'dropout'
  | `stage ${number} epoch ${number}`
  | `dropout ${number}`
  | `augment ${number}`;

/** The seed of the stream for a purpose: 32 bits of a hash of both. */
export function streamSeed(seed: number, purpose: Purpose): number {
  return createHash('sha256').update(`${seed} ${purpose}`).digest().readUInt32LE(0);
}

/**
 * A dropout mask: each number is 1 with probability 1 - rate (to 1/65536), else 0.
 *
 * xorshift128 gives 32 bits a draw, used as two numbers of 16: eight million take about 20 ms, where NumPy's
 * generator would take ten times as long.
 */
export function dropoutMask(seed: number, count: number, rate: number): Uint8Array {
  return dropoutMasks(seed, rate)(count);
}

/** The same mask part by part; each part but the last must have an even count. */
export function dropoutMasks(seed: number, rate: number): (count: number) => Uint8Array {
  const limit = Math.round(rate * 65536);
  const start = new RandomState(seed);
  let [x, y, z] = [start.uint32(), start.uint32(), start.uint32()];
  // All four words 0 would stay 0 for ever.
  let w = start.uint32() | 1;
  return (count) => {
    const mask = new Uint8Array(count);
    for (let i = 0; i < count; i += 2) {
      const t = x ^ (x << 11);
      x = y;
      y = z;
      z = w;
      w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
      mask[i] = (w & 0xffff) >= limit ? 1 : 0;
      mask[i + 1] = w >>> 16 >= limit ? 1 : 0;
    }
    return mask;
  };
}
