import { ConfigReader } from '../../../keras/config.ts';
import type { KerasLayer } from '../../../keras/model.ts';
import type { GraphBuilder } from '../../../onnx/graph.ts';
import type { Shape } from '../../../tensor.ts';
import { type Apply, type Bench, defineLayer, type Layer } from '../../layer.ts';
import { type KerasTensor, kerasTensor, type Mask, once, perStepTensor } from '../../layout.ts';
import { masksEachStep } from '../../origin.ts';
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
  mask: 'set by the rule',
  wraps: 'layers',
  read: () => undefined,
  weights: (_, __, found) => Object.fromEntries(found.map((shape, i) => [`${i}`, shape])),
  emit({ input, wrapped, apply, ...bench }) {
    const [layer] = wrapped;
    if (!layer) throw new Error('Bug: TimeDistributed wraps a layer');
    const isSeparate = input.layout.kind === 'perStep';
    const outputs =
      !isSeparate && isStepless(layer)
        ? apply(layer, [{ ...input, mask: undefined }])
        : onSteps(input, { layer, apply }, bench);
    return outputs.map((output, i) => ({
      ...output,
      mask: i === 0 ? maskAfter(input, output, bench) : undefined,
    }));
  },
});

/** The mask of the steps, or of the steps within them where the layer puts out one for each. */
function maskAfter(input: KerasTensor, output: KerasTensor, bench: Bench): Mask | undefined {
  return (masksEachStep(bench.origin) ? output.mask : undefined) ?? input.mask;
}

function onSteps(
  input: KerasTensor,
  { layer, apply }: { readonly layer: KerasLayer; readonly apply: Apply },
  { graph, layouts, origin }: Bench,
): readonly KerasTensor[] {
  const [batch = 1, steps = 1, ...rest] = input.shape;
  const separate = (): KerasTensor => {
    const { value } = layouts.keras(input);
    return kerasTensor(reshapeTo(graph, value, [productOf([batch, steps]), ...rest]));
  };
  const samples = input.layout.kind === 'perStep' ? input.layout.inner : separate();
  const mask = masksEachStep(origin) ? stepMask(input, graph) : undefined;
  return apply(layer, [mask ? { ...samples, mask } : samples]).map((made) => {
    const shape: Shape = [batch, steps, ...made.shape.slice(1)];
    const tensor = perStepTensor(made, shape, (value) =>
      reshapeTo(graph, value, shape, graph.inputs),
    );
    return { ...tensor, mask: made.mask && together(made.mask, [batch, steps], graph) };
  });
}

/** A mask [N, T, ...] of steps within steps as [N · T, ...]. */
function stepMask({ mask }: KerasTensor, graph: GraphBuilder): Mask | undefined {
  if (!mask) return undefined;
  const made = mask();
  const [batch = 1, steps = 1, ...rest] = made.shape;
  if (rest.length === 0) return undefined;
  return once(() => reshapeTo(graph, made, [productOf([batch, steps]), ...rest]));
}

function together(mask: Mask, steps: Shape, graph: GraphBuilder): Mask {
  return once(() => {
    const made = mask();
    return reshapeTo(graph, made, [...steps, ...made.shape.slice(1)], graph.inputs);
  });
}
