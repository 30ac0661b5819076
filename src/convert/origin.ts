import type { Generation, KerasOrigin } from '../keras/model.ts';

/**
 * What the same layer with the same config means to different versions and backends of Keras.
 *
 * Each fact names where it is from; what is not here is the same for all.
 */

/** Whether Keras 2 of this origin is at least 2.`minor`.`patch`; false for other generations. */
function isKeras2Since(
  { generation, version = '' }: KerasOrigin,
  minor: number,
  patch: number,
): boolean {
  if (generation !== 'Keras 2') return false;
  const [, ownMinor = 0, ownPatch = 0] = version
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  return ownMinor > minor || (ownMinor === minor && ownPatch >= patch);
}

/** tf.keras and what followed it. */
function isModern({ generation }: KerasOrigin): boolean {
  return generation === 'tf.keras' || generation === 'Keras 3';
}

/** hard_sigmoid is clip(0.2 x + 0.5, 0, 1); Keras 3 alone takes relu6(x + 3) / 6. Source: activations.py of each. */
export function hardSigmoidSlope(generation: Generation): number {
  return generation === 'Keras 3' ? 1 / 6 : 0.2;
}

/** GlobalAveragePooling1D means over the steps that count since Keras 2.2.4. Source: keras/layers/pooling.py. */
export function meansOverMask(origin: KerasOrigin): boolean {
  return isModern(origin) || isKeras2Since(origin, 2, 4);
}

/** A Bidirectional that returns sequences puts out zeros at masked steps, whatever its layers say. Source: bidirectional.py of 2.15 and 3. */
export function zeroesMaskedSteps(origin: KerasOrigin): boolean {
  return isModern(origin);
}

/**
 * Images are enlarged bilinearly with half-pixel centres; Keras 2 on TensorFlow 1 and on Theano, and tf.keras before
 * 2.2.4-tf, went without. Source: resize_images in the backends.
 */
export function hasHalfPixelCentres({ generation, version = '' }: KerasOrigin): boolean {
  if (generation === 'Keras 3') return true;
  const [, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return generation === 'tf.keras' && (minor > 2 || (minor === 2 && patch >= 4));
}

/** On Theano, Keras 2.0.4 to 2.1.4 counted the zeros of padding "same" in means of 1-D and 2-D. Source: pool2d in theano_backend.py. */
export function countsPadding(origin: KerasOrigin, rank: number): boolean {
  const { kernels } = origin;
  return (
    kernels === 'theano' && rank < 3 && isKeras2Since(origin, 0, 4) && !isKeras2Since(origin, 1, 5)
  );
}

/** On Theano, Keras 2.0.0 to 2.1.5 forgot to cut 3-D pools with padding "same" to size. Source: pool3d in theano_backend.py. */
export function keepsWholePools(origin: KerasOrigin, rank: number): boolean {
  const { kernels } = origin;
  return (
    kernels === 'theano' &&
    rank === 3 &&
    isKeras2Since(origin, 0, 0) &&
    !isKeras2Since(origin, 1, 6)
  );
}

/**
 * A recurrent layer that is given its first states ignores the mask of its sequence, unless the call names it: a mask
 * only comes along with a call's single tensor argument. Source: Layer.__call__ in keras/src/layers/layer.py.
 */
export function forgetsMaskWithStates({ generation }: KerasOrigin): boolean {
  return generation === 'Keras 3';
}

/** TimeDistributed hands the masks of its steps on to its layer, and out of it. Source: time_distributed.py of Keras 2.2 and tf.keras. */
export function masksEachStep(origin: KerasOrigin): boolean {
  return origin.generation === 'tf.keras' || isKeras2Since(origin, 2, 0);
}

/**
 * A Merge of tensors that have masks: since Keras 3.4 a step counts where it does in any of them, before where in all;
 * and since then a product, a maximum or a minimum leaves out of its numbers what does not count. Source: base_merge.py.
 */
export function mergesMasksByOr({ generation, version = '' }: KerasOrigin): boolean {
  const [, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return generation === 'Keras 3' && (version === '' || minor >= 4);
}
