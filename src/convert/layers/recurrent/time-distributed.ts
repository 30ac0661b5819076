import { ConfigReader } from '../../../keras/config.ts';
import type { KerasLayer } from '../../../keras/model.ts';
import type { Shape } from '../../../tensor.ts';
import { type Apply, type Bench, defineLayer, type Layer } from '../../layer.ts';
import { type KerasTensor, kerasTensor, perStepTensor } from '../../layout.ts';
import { readIntegers } from '../../read.ts';
import { productOf, reshapeTo } from '../../sizes.ts';

/** Layers that do the same to a step as to all steps at once. */
const stepless = new Set(
  `Dense Activation ActivityRegularization Dropout GaussianDropout GaussianNoise AlphaDropout LeakyReLU ELU ReLU
  ThresholdedReLU Embedding Identity Rescaling`.split(/\s+/),
);
/** The same for these along the last axis, which is also their default. */
const lastAxis = new Set(
  'BatchNormalization LayerNormalization RMSNormalization UnitNormalization Softmax'.split(' '),
);

function isStepless({ className, config, model }: KerasLayer): boolean {
  if (model) return false;
  if (stepless.has(className)) return true;
  if (!lastAxis.has(className)) return false;
  return String(readIntegers(new ConfigReader(config, {}), 'axis', [-1])) === '-1';
}

/**
 * TimeDistributed: a layer, or a model, on each step: [N, T, ...] → [N, T, ...].
 *
 * Layers that do not care run on all steps at once; others on N · T samples, and several in a row are not put together
 * in between. Source: keras/src/layers/rnn/time_distributed.py.
 */
export const timeDistributed: Layer = defineLayer({
  keras: ['TimeDistributed'],
  mask: 'passes',
  wraps: 'layers',
  read: () => undefined,
  weights: (_, __, found) => Object.fromEntries(found.map((shape, i) => [`${i}`, shape])),
  emit({ input, wrapped, apply, ...bench }) {
    const [layer] = wrapped;
    if (!layer) throw new Error('Bug: TimeDistributed wraps a layer');
    const isSeparate = input.layout.kind === 'perStep';
    if (!isSeparate && isStepless(layer)) return apply(layer, [{ ...input, mask: undefined }]);
    return onSteps(input, { layer, apply }, bench);
  },
});

function onSteps(
  input: KerasTensor,
  { layer, apply }: { readonly layer: KerasLayer; readonly apply: Apply },
  { graph, layouts }: Bench,
): readonly KerasTensor[] {
  const [batch = 1, steps = 1, ...rest] = input.shape;
  const separate = (): KerasTensor => {
    const { value } = layouts.keras(input);
    return kerasTensor(reshapeTo(graph, value, [productOf([batch, steps]), ...rest]));
  };
  const samples = input.layout.kind === 'perStep' ? input.layout.inner : separate();
  return apply(layer, [samples]).map((made) => {
    const shape: Shape = [batch, steps, ...made.shape.slice(1)];
    return perStepTensor(made, shape, (value) => reshapeTo(graph, value, shape, graph.inputs));
  });
}
