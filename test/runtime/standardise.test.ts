import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Preprocess } from '../../src/onnx/card.ts';
import { floatPreprocessor, pixelWriter } from '../../src/runtime/preprocess.ts';
import { expectClose } from '../tolerance.ts';

const { pictures, standardised } = z
  .object({
    pictures: z.array(z.number()),
    standardised: z.array(
      z.object({
        options: z.looseObject({ rescale: z.number().optional() }),
        mean: z.array(z.number()).nullable(),
        std: z.array(z.number()).nullable(),
        expected: z.array(z.number()),
      }),
    ),
  })
  .parse(
    JSON.parse(readFileSync(new URL('../fixtures/standardise.json', import.meta.url), 'utf8')),
  );

const elements = 5 * 6 * 3;
const picture = pictures.slice(elements, 2 * elements);

/** What the card of a model says that Keras' generator did. */
function cardOf({ options, mean, std }: (typeof standardised)[number]): Preprocess {
  const { rescale } = options;
  const flag = (name: string): boolean => options[name] === true;
  const isScaled = flag('samplewise_std_normalization');
  return {
    size: [5, 6],
    resize: 'nearest',
    layout: 'nhwc',
    color: 'rgb',
    mode: 'none',
    ...(rescale !== undefined && { rescale }),
    standardise: {
      samplewise_center: flag('samplewise_center') || isScaled,
      samplewise_std_normalization: isScaled,
      ...(mean && { mean }),
      ...(std && { std }),
    },
    inGraph: '',
  };
}

describe('standardise', () => {
  it.each(standardised)('gives the numbers of Keras: $options', (each) => {
    const out = new Float32Array(elements + 1).fill(7);
    pixelWriter(cardOf(each))(Uint8Array.from(picture), out, 1);
    expectClose(out.subarray(1), each.expected, { rtol: 1e-4, atol: 1e-4 });
    expect(out[0]).toBe(7);
    const floats = new Float32Array(elements);
    floatPreprocessor(cardOf(each))(Float32Array.from(picture), floats, 0);
    expect(floats).toEqual(out.slice(1));
  });

  it('counts channels first where they lie first', () => {
    const each = standardised.find(({ std }) => std);
    if (!each) throw new Error('no case has a deviation');
    const out = new Float32Array(elements);
    pixelWriter({ ...cardOf(each), layout: 'nchw' })(Uint8Array.from(picture), out, 0);
    const turned = each.expected.map(
      (_, i) => each.expected[(i % 30) * 3 + Math.floor(i / 30)] ?? 0,
    );
    expectClose(out, turned, { rtol: 1e-4, atol: 1e-4 });
  });
});
