import type { GraphBuilder } from '../../../onnx/graph.ts';
import type { Value } from '../../../tensor.ts';
import { type Bench, unsupported } from '../../layer.ts';
import {
  axisIn,
  channelsFirstTensor,
  elementwise,
  integers,
  type KerasTensor,
  kerasTensor,
} from '../../layout.ts';
import type { DataFormat } from '../../read.ts';

/** A function of Python that is known by name. */
export interface Preset {
  /** What the graph then does, for the model card. */
  readonly does: string;
  readonly emit: (input: KerasTensor, dataFormat: DataFormat, bench: Bench) => KerasTensor;
}

/** ImageNet's mean colour, RGB, of 0 to 255. Source: fastai/courses, deeplearning1/nbs/vgg16.py. */
const vggMean = [123.68, 116.779, 103.939];

const presets: ReadonlyMap<string, Preset> = new Map([
  ['vgg_preprocess', { does: 'mean subtraction, RGB→BGR', emit: vggPreprocess }],
  ['space_to_depth_x2', { does: 'space to depth', emit: spaceToDepth }],
  ['identity', { does: 'nothing', emit: (input: KerasTensor) => input }],
  ['l2_normalize', { does: 'l2 normalisation over the last axis', emit: l2Normalize }],
]);

/** `x`, a factor and an offset, such as "x/127.5-1". */
const affine = /^x(?:([*/])(\d*\.?\d+(?:e-?\d+)?))?(?:([+-])(\d*\.?\d+(?:e-?\d+)?))?$/;

/** What can be said, for messages. */
export const presetForms: readonly string[] = [
  ...presets.keys(),
  'x*NUMBER+NUMBER (or /, -; such as x/255, x-0.5, x/127.5-1)',
];

/** The preset of a name; `undefined` for one that is not known. */
export function presetNamed(name: string): Preset | undefined {
  return presets.get(name) ?? affinePreset(name.replaceAll(' ', ''));
}

function affinePreset(form: string): Preset | undefined {
  const parts = affine.exec(form);
  if (!parts) return undefined;
  const [, times, factor, plus, offset] = parts;
  return {
    does: form,
    emit(input, _, { graph, layouts }) {
      const x = layouts.padded(input);
      const number = (text: string): Value => graph.floats('number', [Number(text)]);
      const scaled = factor
        ? graph.add(times === '*' ? 'Mul' : 'Div', [x.value, number(factor)])
        : x.value;
      const moved = offset
        ? graph.add(plus === '+' ? 'Add' : 'Sub', [scaled, number(offset)])
        : scaled;
      return elementwise(x, moved);
    },
  };
}

/** x - mean, then the channels in reverse. Throws KERAS_LAYER_UNSUPPORTED for anything but images of three channels. */
function vggPreprocess(input: KerasTensor, dataFormat: DataFormat, bench: Bench): KerasTensor {
  const { graph, layouts, where } = bench;
  const x = layouts.padded(input);
  const [, first, , last] = x.shape;
  const isFirst = first === 3 && (last !== 3 || dataFormat === 'channels_first');
  const axis = isFirst ? 1 : 3;
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

/** tf.nn.space_to_depth(x, 2), of YOLO v2: [N, H, W, C] → [N, H/2, W/2, 4C]. */
function spaceToDepth(input: KerasTensor, _: DataFormat, { graph, layouts }: Bench): KerasTensor {
  const x = layouts.padded(layouts.channelsFirst(input));
  return channelsFirstTensor(graph.add('SpaceToDepth', [x.value], { blocksize: 2 }));
}

/** K.l2_normalize(x, axis=-1), of FaceNet: x / sqrt(max(Σx², 1e-12)). */
function l2Normalize(input: KerasTensor, _: DataFormat, { graph, layouts }: Bench): KerasTensor {
  const x = layouts.keras(input).value;
  const norm = graph.add('ReduceL2', [x], { axes: [x.shape.length - 1], keepdims: 1 });
  const floor = graph.add('Max', [norm, graph.floats('smallest', [1e-6])]);
  return kerasTensor(graph.add('Div', [x, floor]));
}
