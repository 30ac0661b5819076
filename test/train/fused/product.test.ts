import { expect, it } from 'vitest';
import { FunctionMemory } from '../../../src/train/fused/memory.ts';
import { product } from '../../../src/train/fused/product.ts';

// x [n, 4] holds 1, 2, 3, … by rows; dy [n, 16], in panels of 8 columns, holds in row k and column c the number
// c + 1 where k is c modulo n, else 0: then each sum has one term, x of row c modulo n times c + 1.
it.each([1, 2, 3])('multiplies the factors of a batch of %i', (n) => {
  const memory = new FunctionMemory(4096);
  const x = memory.floats(4 * n);
  x.forEach((_, i) => {
    x[i] = i + 1;
  });
  const dy = memory.floats(16 * n);
  for (let column = 0; column < 16; column++) {
    dy[(Math.floor(column / 8) * n + (column % n)) * 8 + (column % 8)] = column + 1;
  }
  const result = memory.floats(4 * 16);
  memory.function(product)(x.byteOffset, dy.byteOffset, result.byteOffset, n, 4 * 16);
  for (const [i, number] of result.entries()) {
    const [row, column] = [Math.floor(i / 16), i % 16];
    expect(number).toBe((4 * (column % n) + row + 1) * (column + 1));
  }
});
