import { describe, expect, it } from 'vitest';
import { layerNames } from '../../../src/convert/layers/index.ts';
import { hasShared } from '../../shared.ts';
import { readFixture } from '../real-keras.ts';

/**
 * For each class that can be converted, the fixture of a real Keras that holds it, by the class name saved there, or
 * the file of the test that goes by arithmetic.
 */
const proof: Readonly<Record<string, { fixture: string; saved?: string } | { test: string }>> = {
  Activation: { fixture: 'k1.2.2-theano-th/activations' },
  ActivityRegularization: { fixture: 'k1.2.2-theano-th/dropouts' },
  Add: { fixture: 'k1.2.2-theano-th/merge_sum', saved: 'Merge' },
  AlphaDropout: { test: 'layers/elementwise.test.ts' },
  Average: { fixture: 'k1.2.2-theano-th/merge_ave', saved: 'Merge' },
  AveragePooling1D: { fixture: 'k1.2.2-theano-th/avgpool1d_same' },
  AveragePooling2D: { fixture: 'k1.2.2-theano-th/avgpool2d_same' },
  AveragePooling3D: { fixture: 'k1.2.2-theano-th/avgpool3d_same' },
  BatchNormalization: { fixture: 'k1.2.2-theano-th/bn_conv_axis1' },
  Concatenate: { fixture: 'k1.2.2-theano-th/merge_concat_channels', saved: 'Merge' },
  Conv1D: { fixture: 'k1.2.2-theano-th/conv1d_same_stride2', saved: 'Convolution1D' },
  Conv2D: { fixture: 'k1.2.2-theano-th/conv2d_stride21_same_even', saved: 'Convolution2D' },
  Conv3D: { fixture: 'k1.2.2-theano-th/conv3d_same', saved: 'Convolution3D' },
  Cropping1D: { fixture: 'k1.2.2-theano-th/crop1d' },
  Cropping2D: { fixture: 'k1.2.2-tf-tf/crop2d' },
  Cropping3D: { fixture: 'k1.2.2-tf-tf/crop3d' },
  Dense: { fixture: 'k1.2.2-theano-th/flatten_dense' },
  Dropout: { fixture: 'k1.2.2-theano-th/dropouts' },
  ELU: { fixture: 'k1.2.2-theano-th/elu' },
  Embedding: { fixture: 'k1.2.2-theano-th/embedding' },
  Flatten: { fixture: 'k1.2.2-tf-tf/flatten_dense' },
  GaussianDropout: { fixture: 'k1.2.2-theano-th/dropouts' },
  GaussianNoise: { fixture: 'k1.2.2-theano-th/dropouts' },
  GlobalAveragePooling1D: { fixture: 'k1.2.2-theano-th/globalaveragepooling1d' },
  GlobalAveragePooling2D: { fixture: 'k1.2.2-theano-th/globalaveragepooling2d' },
  GlobalAveragePooling3D: { fixture: 'k1.2.2-theano-th/globalaveragepooling3d' },
  GlobalMaxPooling1D: { fixture: 'k1.2.2-theano-th/globalmaxpooling1d' },
  GlobalMaxPooling2D: { fixture: 'k1.2.2-theano-th/globalmaxpooling2d' },
  GlobalMaxPooling3D: { fixture: 'k1.2.2-theano-th/globalmaxpooling3d' },
  Lambda: { fixture: 'k1.2.2-theano-th/vgg_tiny' },
  LeakyReLU: { fixture: 'k1.2.2-theano-th/leakyrelu' },
  Maximum: { fixture: 'k1.2.2-theano-th/merge_max', saved: 'Merge' },
  MaxPooling1D: { fixture: 'k1.2.2-theano-th/maxpool1d_same' },
  MaxPooling2D: { fixture: 'k1.2.2-theano-th/maxpool2d_same' },
  MaxPooling3D: { fixture: 'k1.2.2-theano-th/maxpool3d_same' },
  Minimum: { test: 'layers/elementwise.test.ts' },
  Multiply: { fixture: 'k1.2.2-theano-th/merge_mul', saved: 'Merge' },
  Permute: { fixture: 'k1.2.2-theano-th/permute' },
  PReLU: { fixture: 'k1.2.2-theano-th/prelu_shared' },
  ReLU: { test: 'layers/elementwise.test.ts' },
  RepeatVector: { fixture: 'k1.2.2-theano-th/repeatvector' },
  Reshape: { fixture: 'k1.2.2-theano-th/reshape_minus1' },
  Softmax: { test: 'layers/elementwise.test.ts' },
  SpatialDropout1D: { test: 'layers/elementwise.test.ts' },
  SpatialDropout2D: { fixture: 'k1.2.2-theano-th/spatial_dropout' },
  SpatialDropout3D: { test: 'layers/elementwise.test.ts' },
  Subtract: { test: 'layers/elementwise.test.ts' },
  ThresholdedLinear: { fixture: 'k0.3.3-theano-th/thresholdedlinear' },
  ThresholdedReLU: { fixture: 'k1.2.2-theano-th/thresholdedrelu' },
  UpSampling1D: { fixture: 'k1.2.2-theano-th/up1d' },
  UpSampling2D: { fixture: 'k1.2.2-tf-tf/up2d' },
  UpSampling3D: { fixture: 'k1.2.2-tf-tf/up3d' },
  ZeroPadding1D: { fixture: 'k1.2.2-theano-th/zeropad1d_asym' },
  ZeroPadding2D: { fixture: 'k1.2.2-theano-th/vgg_tiny' },
  ZeroPadding3D: { fixture: 'k1.2.2-tf-tf/zeropad3d' },
};

describe('the table of layers', () => {
  it('has a fixture or a test of its own for every class', () => {
    expect(layerNames.filter((name) => !proof[name])).toEqual([]);
    expect(Object.keys(proof).filter((name) => !layerNames.includes(name))).toEqual([]);
  });

  it.skipIf(!hasShared)('names fixtures that hold the class (skipped without ../shared)', () => {
    for (const [name, by] of Object.entries(proof)) {
      if (!('fixture' in by)) continue;
      const [generation = '', fixture = ''] = by.fixture.split('/');
      expect(readFixture(generation, fixture).manifest.layers).toContain(by.saved ?? name);
    }
  });
});
