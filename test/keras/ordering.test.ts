import { describe, expect, test } from 'vitest';
import { decideDataFormat } from '../../src/keras/ordering.ts';

/** Keras 1.2 whose only layer on images, like every UpSampling2D of that day, does not say where the channels are. */
const silent = (shape: readonly (number | null)[]) => ({
  class_name: 'Sequential',
  config: [{ class_name: 'UpSampling2D', config: { name: 'up', batch_input_shape: shape } }],
});
const keras1 = { generation: 'Keras 1', version: '1.2.2' } as const;

describe('where the channels are', () => {
  test('is asked where neither layers nor shapes tell it', () => {
    expect(() => decideDataFormat(silent([null, 8, 8, 8]), keras1)).toThrow(
      expect.objectContaining({ code: 'KERAS_ORDERING_UNKNOWN' }),
    );
  });

  test('is seen from an image of three channels', () => {
    const { dataFormat } = decideDataFormat(silent([null, 3, 8, 8]), keras1);
    expect(dataFormat).toBe('channels_first');
  });

  test('is what the caller says', () => {
    const { dataFormat } = decideDataFormat(silent([null, 8, 8, 8]), { ...keras1, asked: 'tf' });
    expect(dataFormat).toBe('channels_last');
  });
});
