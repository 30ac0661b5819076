import type { GraphBuilder } from '../../../onnx/graph.ts';
import { reshaped, sourceOf } from '../../../source.ts';
import { sizeOf, type TensorSource, type Value } from '../../../tensor.ts';
import type { DataFormat } from '../../read.ts';
import { reshapeTo } from '../../sizes.ts';
import { computed, numbersOf } from '../../weights.ts';

/** Which numbers of the input each place of the output is connected with. */
export interface Connections {
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly channels: number;
  readonly filters: number;
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly padding: 'valid' | 'same';
  readonly dataFormat: DataFormat;
}

/** The shape of the weight: the whole matrix with zeros that do not count (2), or the numbers that do (3). */
export function matrixShape(connections: Connections, implementation: number): readonly number[] {
  const { inputs, outputs, channels, filters, dataFormat } = connections;
  if (implementation === 3) return [connectedPairs(connections).length];
  return dataFormat === 'channels_first'
    ? [channels, ...inputs, filters, ...outputs]
    : [...inputs, channels, ...outputs, filters];
}

/** A flat index as places on the axes and a channel. */
function placeOf(
  flat: number,
  {
    sizes,
    depth,
    isFirst,
  }: { readonly sizes: readonly number[]; readonly depth: number; readonly isFirst: boolean },
): readonly number[] {
  const area = sizeOf(sizes);
  let rest = isFirst ? flat % area : Math.floor(flat / depth);
  const places = sizes.toReversed().map((size) => {
    const at = rest % size;
    rest = Math.floor(rest / size);
    return at;
  });
  return places.toReversed();
}

/** Source: conv_connected_inputs in keras/utils/conv_utils.py of 2.15, whose "same" is not TensorFlow's. */
function isConnected(
  input: readonly number[],
  output: readonly number[],
  connections: Connections,
): boolean {
  const { kernel, strides, padding } = connections;
  return input.every((at, axis) => {
    const size = kernel[axis] ?? 1;
    const left = Math.floor(size / 2);
    const centre = (output[axis] ?? 0) * (strides[axis] ?? 1) + (padding === 'valid' ? left : 0);
    return at >= centre - left && at < centre + size - left;
  });
}

function connectionAt(connections: Connections) {
  const { inputs, outputs, channels, filters, dataFormat } = connections;
  const isFirst = dataFormat === 'channels_first';
  return (input: number, output: number): boolean =>
    isConnected(
      placeOf(input, { sizes: inputs, depth: channels, isFirst }),
      placeOf(output, { sizes: outputs, depth: filters, isFirst }),
      connections,
    );
}

function sizesOf({ inputs, outputs, channels, filters }: Connections): readonly [number, number] {
  return [sizeOf(inputs) * channels, sizeOf(outputs) * filters];
}

/** Output and input of each number of the weight, in its order: by outputs, then by inputs. */
function connectedPairs(connections: Connections): readonly (readonly [number, number])[] {
  const [rows, columns] = sizesOf(connections);
  const isOn = connectionAt(connections);
  return Array.from({ length: columns }, (_, output) =>
    Array.from({ length: rows }, (__, input) => input).flatMap((input) =>
      isOn(input, output) ? [[output, input] as const] : [],
    ),
  ).flat();
}

/** [inputs, outputs], zeros where nothing is connected. Memory: of implementation 3 the whole matrix. */
export function matrixOf(
  kernel: TensorSource,
  connections: Connections,
  implementation: number,
): TensorSource {
  const [rows, columns] = sizesOf(connections);
  if (implementation === 3) {
    return computed([rows, columns], () => {
      const numbers = numbersOf(kernel);
      const matrix = new Float32Array(rows * columns);
      connectedPairs(connections).forEach(([output, input], i) => {
        matrix[input * columns + output] = numbers[i] ?? 0;
      });
      return matrix;
    });
  }
  const isOn = connectionAt(connections);
  return sourceOf('float32', [rows, columns], (start, count) => {
    const bytes = kernel.read(start, count).slice();
    const numbers = new Float32Array(bytes.buffer, bytes.byteOffset, count);
    for (let i = 0; i < count; i++) {
      const at = start + i;
      if (!isOn(Math.floor(at / columns), at % columns)) numbers[i] = 0;
    }
    return bytes;
  });
}

/** x as one row, times the matrix, in the shape of the output. */
export function byMatrix(
  x: Value,
  { outputs, filters, dataFormat }: Connections,
  {
    kernel,
    bias,
    graph,
  }: { readonly kernel: Value; readonly bias: Value | undefined; readonly graph: GraphBuilder },
): Value {
  const flat = graph.add('Flatten', [x], { axis: 1 });
  const product = graph.add('MatMul', [flat, kernel]);
  const sizes = dataFormat === 'channels_first' ? [filters, ...outputs] : [...outputs, filters];
  const maps = reshapeTo(graph, product, [x.shape[0] ?? 1, ...sizes]);
  return bias ? graph.add('Add', [maps, bias]) : maps;
}

/** [...places, filters] as it is, or, where channels come first, its numbers as they lie as [filters, ...places]. */
export function biasAsOutput(bias: TensorSource, dataFormat: DataFormat): TensorSource {
  if (dataFormat !== 'channels_first') return bias;
  const rank = bias.shape.length - 1;
  const moved = [rank, ...Array.from({ length: rank }, (_, axis) => axis)];
  return reshaped(
    bias,
    moved.map((axis) => bias.shape[axis] ?? 1),
  );
}
