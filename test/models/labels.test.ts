import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const file = readFileSync(new URL('../../models/imagenet_class_index.json', import.meta.url));

describe('imagenet_class_index.json', () => {
  // file_hash in keras/src/applications/imagenet_utils.py
  it("is Keras' own, byte for byte", () => {
    const md5 = createHash('md5').update(file).digest('hex');
    expect(md5).toBe('c2c37ea517e94d9795004a39431a14cb');
  });

  it('has 1,000 classes, of which the first five are fish', () => {
    const index = z.record(z.string(), z.unknown()).parse(JSON.parse(file.toString()));
    expect(Object.keys(index)).toHaveLength(1000);
    expect(index).toMatchObject({
      0: ['n01440764', 'tench'],
      1: ['n01443537', 'goldfish'],
      2: ['n01484850', 'great_white_shark'],
      3: ['n01491361', 'tiger_shark'],
      4: ['n01494475', 'hammerhead'],
    });
  });
});
