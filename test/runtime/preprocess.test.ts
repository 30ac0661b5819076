import { describe, expect, it } from 'vitest';
import type { Preprocess } from '../../src/onnx/card.ts';
import { readImage } from '../../src/runtime/image.ts';
import { batchShape, imageElements, preprocessor } from '../../src/runtime/preprocess.ts';
import { readNpy } from '../npy.ts';
import { hasShared, shared } from '../shared.ts';

const pixel = { width: 1, height: 1, channels: 3, data: Uint8Array.of(255, 51, 0) } as const;
const plain: Preprocess = {
  size: [1, 1],
  resize: 'nearest',
  layout: 'nchw',
  color: 'rgb',
  mode: 'none',
  inGraph: '',
};

function numbersOf(preprocess: Preprocess, pixels = pixel): Float32Array {
  const out = new Float32Array(imageElements(preprocess));
  preprocessor(preprocess)(pixels, out, 0);
  return out;
}

/** float32 arithmetic rounds the last bits: exact comparison is made against Keras below. */
function expectNear(actual: Float32Array, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 4));
}

describe('preprocessor', () => {
  const modes: {
    readonly [M in Preprocess['mode']]: readonly [Preprocess['color'], readonly number[]];
  } = {
    none: ['rgb', [255, 51, 0]],
    caffe: ['bgr', [0 - 103.939, 51 - 116.779, 255 - 123.68]],
    tf: ['rgb', [1, 51 / 127.5 - 1, -1]],
    torch: ['rgb', [(1 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0 - 0.406) / 0.225]],
  };

  it.each(['none', 'caffe', 'tf', 'torch'] as const)('%s follows its formula', (mode) => {
    const [color, expected] = modes[mode];
    expectNear(numbersOf({ ...plain, mode, color }), expected);
  });

  it('keeps the mean of a channel with its colour, whatever the order', () => {
    expectNear(numbersOf({ ...plain, mode: 'caffe' }), [255 - 123.68, 51 - 116.779, 0 - 103.939]);
  });

  it('writes planes for nchw and pixels for nhwc, from the element asked for', () => {
    const pixels = {
      width: 2,
      height: 1,
      channels: 3,
      data: Uint8Array.of(1, 2, 3, 4, 5, 6),
    } as const;
    const out = new Float32Array(8);
    preprocessor({ ...plain, size: [1, 2] })(pixels, out, 1);
    expect([...out]).toEqual([0, 1, 4, 2, 5, 3, 6, 0]);
    preprocessor({ ...plain, size: [1, 2], layout: 'nhwc', color: 'bgr' })(pixels, out, 2);
    expect([...out]).toEqual([0, 1, 3, 2, 1, 6, 5, 4]);
  });

  it('brings the picture to the size of the model', () => {
    expect([...numbersOf({ ...plain, size: [2, 1] })]).toEqual([255, 255, 51, 51, 0, 0]);
  });

  it('takes one channel of grey', () => {
    const grey = { width: 1, height: 1, channels: 1, data: Uint8Array.of(255) } as const;
    const out = new Float32Array(1);
    preprocessor({ ...plain, color: 'gray', mode: 'tf' })(grey, out, 0);
    expect([...out]).toEqual([1]);
  });

  it.each(['caffe', 'torch'] as const)('refuses %s for grey pictures', (mode) => {
    expect(() => preprocessor({ ...plain, color: 'gray', mode })).toThrow(
      expect.objectContaining({ code: 'MODEL_CARD_INVALID' }),
    );
  });

  it('gives the shape of a batch in both layouts', () => {
    expect(batchShape({ ...plain, size: [4, 5] }, 2)).toEqual([2, 3, 4, 5]);
    expect(batchShape({ ...plain, size: [4, 5], layout: 'nhwc', color: 'gray' }, 2)).toEqual([
      2, 4, 5, 1,
    ]);
  });
});

describe.skipIf(!hasShared)('preprocessor, against real Keras (skipped without ../shared)', () => {
  it.each([
    ['expected.npy', { mode: 'caffe', color: 'bgr', layout: 'nhwc' }],
    ['expected_tf.npy', { mode: 'tf', color: 'rgb', layout: 'nhwc' }],
    ['expected_torch.npy', { mode: 'torch', color: 'rgb', layout: 'nhwc' }],
    ['expected_caffe_nchw.npy', { mode: 'caffe', color: 'bgr', layout: 'nchw' }],
  ] as const)('gives the float32 numbers of %s', async (file, how) => {
    const pixels = await readImage(shared('cases/b04-vgg-bgr-mean/input.png'));
    const preprocess: Preprocess = { ...plain, ...how, size: [pixels.height, pixels.width] };
    const out = new Float32Array(imageElements(preprocess));
    preprocessor(preprocess)(pixels, out, 0);
    expect(out).toEqual(readNpy(shared(`cases/b04-vgg-bgr-mean/${file}`)).data);
  });
});
