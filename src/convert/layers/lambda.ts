import type { ConfigReader } from '../../keras/config.ts';
import type { GraphBuilder } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import { type Bench, defineLayer, type Layer, unsupported } from '../layer.ts';
import { axisIn, elementwise, integers, type KerasTensor } from '../layout.ts';
import { type DataFormat, readDataFormat } from '../read.ts';

interface Preset {
  /** What the graph then does, for the model card. */
  readonly does: string;
  readonly emit: (input: KerasTensor, dataFormat: DataFormat, bench: Bench) => KerasTensor;
}

/** ImageNet's mean colour, RGB, of 0 to 255. Source: fastai/courses, deeplearning1/nbs/vgg16.py. */
const vggMean = [123.68, 116.779, 103.939];

/**
 * Python functions that are known by name. A file holds a Lambda's bytecode and not what that refers to, such as
 * `vgg_mean`, so the name is all there is to go by.
 */
const presets: ReadonlyMap<string, Preset> = new Map([
  ['vgg_preprocess', { does: 'mean subtraction, RGB→BGR', emit: vggPreprocess }],
]);

/** x - mean, then the channels in reverse. Throws KERAS_LAYER_UNSUPPORTED for anything but images of three channels. */
function vggPreprocess(input: KerasTensor, dataFormat: DataFormat, bench: Bench): KerasTensor {
  const { graph, layouts, where } = bench;
  const x = layouts.padded(input);
  const axis = dataFormat === 'channels_first' ? 1 : 3;
  if (x.shape.length !== 4 || x.shape[axis] !== 3) {
    throw unsupported(
      `vgg_preprocess takes images of three channels (${dataFormat}), but its input is [${x.shape.join(', ')}]`,
      where,
      'Give the model an input of [3, height, width] or [height, width, 3].',
    );
  }
  const at = axisIn(x, axis);
  const centred = graph.add('Sub', [x.value, meanAlong(graph, at)]);
  const value = graph.add('Gather', [centred, integers(graph, 'indices', [2, 1, 0])], { axis: at });
  return elementwise(x, value);
}

function meanAlong(graph: GraphBuilder, axis: number): Value {
  return graph.floats('vgg_mean', vggMean, axis === 1 ? [3, 1, 1] : [3]);
}

function presetOf(config: ConfigReader): Preset | undefined {
  const name = config.raw('function');
  return typeof name === 'string' ? presets.get(name) : undefined;
}

/** What a Lambda's function does to an image, for the model card; `undefined` where that is not known. */
export function lambdaDoes(config: ConfigReader): string | undefined {
  return presetOf(config)?.does;
}

/** Lambda: only the functions of the table above. Source: keras/src/layers/core/lambda_layer.py. */
export const lambda: Layer = defineLayer({
  keras: ['Lambda'],
  read(config, _, where) {
    const preset = presetOf(config);
    if (preset) return { preset, dataFormat: readDataFormat(config) };
    const name = config.raw('function');
    throw unsupported(
      `A Lambda layer holds Python code (${typeof name === 'string' ? `the function "${name}"` : 'a function without a name'}), which cannot be converted`,
      where,
      `Rebuild the model without it, doing its work before the model or by other layers. Functions that are known: ${[...presets.keys()].join(', ')}.`,
    );
  },
  weights: () => ({}),
  emit: ({ config, input, ...bench }) => config.preset.emit(input, config.dataFormat, bench),
});
