import { describe, expect, it } from 'vitest';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { augmentation } from '../../../src/convert/layers/preprocessing/augmentation.ts';
import { expectClose } from '../../tolerance.ts';
import { counting, type Made, madeModel } from '../made-model.ts';
import { runGraph } from '../run-graph.ts';

async function answer(
  is: string,
  config: Readonly<Record<string, unknown>>,
  made: Pick<Made, 'input' | 'generation'>,
  numbers: readonly number[],
) {
  const { graph } = convertModel(madeModel({ ...made, layers: [{ name: 'y', is, config }] }));
  const input = { shape: [1, ...made.input.map(Number)], data: Float32Array.from(numbers) };
  const result = (await runGraph(graph, [input])).get(graph.outputs[0]?.name ?? '');
  return { shape: result?.shape ?? [], data: [...(result?.data ?? [])] };
}

describe('layers of augmentation', () => {
  it.each(augmentation.keras)('%s leaves images alone', async (is) => {
    const numbers = counting([2, 2, 1]);
    expect((await answer(is, { factor: 0.5 }, { input: [2, 2, 1] }, numbers)).data).toEqual(
      numbers,
    );
  });
});

describe('RandomCrop', () => {
  const config = { height: 2, width: 2 };

  it('of images of the right size leaves them alone', async () => {
    const made = { input: [2, 2, 1], generation: 'Keras 3' } as const;
    expect((await answer('RandomCrop', config, made, [1, 2, 3, 4])).data).toEqual([1, 2, 3, 4]);
  });

  it('of tf.keras resizes when it does not train', async () => {
    const made = { input: [4, 4, 1], generation: 'tf.keras' } as const;
    // The mean of each block of 2 by 2 of 1 to 16, since a half-size bilinear resize samples between the pixels.
    const { data } = await answer('RandomCrop', config, made, counting([16]));
    expectClose(data, [3.5, 5.5, 11.5, 13.5]);
  });

  it('of Keras 3 is refused where versions differ', async () => {
    const made = { input: [4, 4, 1], generation: 'Keras 3' } as const;
    await expect(answer('RandomCrop', config, made, counting([16]))).rejects.toThrow(/RandomCrop/);
  });
});

describe('CenterCrop', () => {
  it('of a smaller image crops it to the aspect ratio and resizes it', async () => {
    // The middle column of 3, twice as high and wide.
    const made = { input: [1, 3, 1], generation: 'Keras 3' } as const;
    const { shape, data } = await answer('CenterCrop', { height: 2, width: 2 }, made, [1, 2, 3]);
    expect({ shape, data }).toEqual({ shape: [1, 2, 2, 1], data: [2, 2, 2, 2] });
  });
});

describe('Resizing', () => {
  const image = { input: [2, 4, 1], generation: 'Keras 3' } as const;

  it('crops to the aspect ratio where asked', async () => {
    const config = { height: 2, width: 2, crop_to_aspect_ratio: true };
    expect((await answer('Resizing', config, image, counting([8]))).data).toEqual([2, 3, 6, 7]);
  });

  it('pads to the aspect ratio where asked', async () => {
    const config = { height: 4, width: 4, pad_to_aspect_ratio: true, fill_value: 9 };
    const { data } = await answer('Resizing', config, image, counting([8]));
    expect(data).toEqual([9, 9, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9]);
  });

  it('means over areas', async () => {
    const config = { height: 1, width: 2, interpolation: 'area' };
    // 1 2 5 6 and 3 4 7 8.
    expectClose((await answer('Resizing', config, image, counting([8]))).data, [3.5, 5.5]);
  });

  it.each(['bicubic', 'lanczos3', 'lanczos5', 'gaussian', 'mitchellcubic', 'area'])(
    '%s keeps what is the same everywhere',
    async (interpolation) => {
      const config = { height: 3, width: 5, interpolation };
      const { data } = await answer(
        'Resizing',
        config,
        image,
        Array.from({ length: 8 }, () => 7),
      );
      expectClose(
        data,
        Array.from({ length: 15 }, () => 7),
      );
    },
  );
});

describe('Normalization and Rescaling', () => {
  it('of each channel', async () => {
    const config = { axis: -1, mean: [1, 2], variance: [4, 0.25], invert: false };
    const made = { input: [1, 2] };
    expectClose((await answer('Normalization', config, made, [3, 3])).data, [1, 2]);
    const back = { ...config, invert: true };
    expectClose((await answer('Normalization', back, made, [1, 2])).data, [3, 3]);
    const scale = { scale: [2, 3], offset: [1, -1] };
    expectClose((await answer('Rescaling', scale, made, [1, 1])).data, [3, 2]);
  });

  it('with one mean for all', async () => {
    const config = { axis: null, mean: 1, variance: 4 };
    expectClose((await answer('Normalization', config, { input: [2] }, [1, 5])).data, [0, 2]);
  });
});

describe('IntegerLookup', () => {
  const config = { vocabulary: [10, 20], num_oov_indices: 1, mask_token: 0, oov_token: -1 };

  it('gives places: of the mask, of the unknown, of the vocabulary', async () => {
    const { data } = await answer('IntegerLookup', config, { input: [4] }, [0, 7, 10, 20]);
    expect(data).toEqual([0, 1, 2, 3]);
  });

  it('and back', async () => {
    const inverse = { ...config, invert: true };
    const { data } = await answer('IntegerLookup', inverse, { input: [4] }, [0, 1, 2, 3]);
    expect(data).toEqual([0, -1, 10, 20]);
  });

  it('with several places for the unknown is refused', async () => {
    const many = { ...config, num_oov_indices: 2 };
    await expect(answer('IntegerLookup', many, { input: [1] }, [0])).rejects.toThrow(
      /IntegerLookup/,
    );
  });
});

describe('CategoryEncoding and Discretization', () => {
  it('count, and hot ones', async () => {
    const made = { input: [3] };
    const count = { num_tokens: 3, output_mode: 'count' };
    expect((await answer('CategoryEncoding', count, made, [0, 2, 2])).data).toEqual([1, 0, 2]);
    const hot = { num_tokens: 3, output_mode: 'multi_hot' };
    expect((await answer('CategoryEncoding', hot, made, [0, 2, 2])).data).toEqual([1, 0, 1]);
    const bins = { bin_boundaries: [0, 1], output_mode: 'one_hot' };
    expect((await answer('Discretization', bins, { input: [1] }, [1])).data).toEqual([0, 0, 1]);
  });
});
