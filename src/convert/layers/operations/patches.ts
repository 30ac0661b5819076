import { floatSource } from '../../../source.ts';
import type { TensorSource, Value } from '../../../tensor.ts';
import { integers, type KerasTensor, kerasTensor } from '../../layout.ts';
import type { Pads } from '../../padding.ts';
import { productOf, reshapeTo } from '../../sizes.ts';
import { fromMaps, windowed } from '../../window.ts';
import type { OperationCall } from './call.ts';
import type { Operation } from './elementwise.ts';
import { dataFormat, numbers, perAxis, rankOf, windowConfig } from './windows.ts';

/** A kernel [channels · cells, 1, ...window] that picks each cell of the window by itself. */
function pickingKernel(window: readonly number[], channels: number): TensorSource {
  const cells = window.reduce((a, b) => a * b, 1);
  const picks = Array.from({ length: channels * cells * cells }, (_, i) =>
    Math.floor(i / cells) % cells === i % cells ? 1 : 0,
  );
  return floatSource([channels * cells, 1, ...window], picks);
}

interface Patches {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
}

/** The cells of each patch [N, C · cells, ...places] of the maps [N, C, ...spatial]. */
function cellsOf(
  call: OperationCall,
  maps: Value,
  {
    patches,
    around,
  }: {
    readonly patches: Patches;
    readonly around: Pads;
  },
): Value {
  const { graph, layer } = call.bench;
  const channels = Number(maps.shape[1]);
  if (Number.isNaN(channels)) throw call.refused('an open number of channels');
  const kernel = graph.initializer(`${layer}/picks`, pickingKernel(patches.kernel, channels));
  return graph.add('Conv', [maps, kernel], {
    kernel_shape: patches.kernel,
    strides: patches.strides,
    ...around,
    dilations: patches.dilations,
    group: channels,
  });
}

/** Patches side by side in the channels: [N, ...places, window · C]. */
function extractPatches(call: OperationCall): KerasTensor {
  const { bench } = call;
  const ones = Array.from({ length: rankOf(call) }, () => 1);
  const kernel = perAxis(call, call.integers(1, 'size', 'sizes', 'ksizes'), ones);
  const config = windowConfig(call, { strides: 2, padding: 4, dilations: 3 });
  const isStated = call.raw(2, 'strides') !== undefined;
  const window = {
    kind: 'convolution' as const,
    kernel,
    strides: isStated ? numbers(config['strides']) : kernel,
    dilations: numbers(config['dilation_rate']),
    padding: config['padding'] === 'same' ? ('same' as const) : ('valid' as const),
    dataFormat: dataFormat(call),
  };
  const { maps, around } = windowed(call.x, window, bench);
  const picked = cellsOf(call, maps.value, { patches: window, around });
  const channels = Number(maps.value.shape[1]);
  const cells = kernel.reduce((a, b) => a * b, 1);
  // [C, cells] → [cells, C]
  const order = Array.from(
    { length: channels * cells },
    (_, i) => (i % channels) * cells + Math.floor(i / channels),
  );
  const value = bench.graph.add('Gather', [picked, integers(bench.graph, 'order', order)], {
    axis: 1,
  });
  return fromMaps(value, window.dataFormat);
}

function pairs(
  call: OperationCall,
  position: number,
  name: string,
  byDefault: number,
): readonly number[] {
  const given = call.integers(position, name) ?? [byDefault];
  return given.length === 1 ? [...given, ...given] : given;
}

/** torch's Unfold: [N, C, H, W] → [N, C · cells, places]. */
function unfold(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const x = call.kerasX;
  const sides = pairs(call, 3, 'padding', 0);
  const patches = {
    kernel: pairs(call, 1, 'kernel_size', 1),
    dilations: pairs(call, 2, 'dilation', 1),
    strides: pairs(call, 4, 'stride', 1),
  };
  const picked = cellsOf(call, x, { patches, around: { pads: [...sides, ...sides] } });
  const [batch = 1, cells = 1, ...spatial] = picked.shape;
  return kerasTensor(reshapeTo(graph, picked, [batch, cells, productOf(spatial)], [picked]));
}

/** torch's Fold: the sum of patches laid back where they came from. */
function fold(call: OperationCall): KerasTensor {
  const { graph, layer } = call.bench;
  const x = call.kerasX;
  const size = pairs(call, 1, 'output_size', 1);
  const kernel = pairs(call, 2, 'kernel_size', 1);
  const dilations = pairs(call, 3, 'dilation', 1);
  const sides = pairs(call, 4, 'padding', 0);
  const strides = pairs(call, 5, 'stride', 1);
  const cells = kernel.reduce((a, b) => a * b, 1);
  const channels = Number(x.shape[1]) / cells;
  const reach = kernel.map((k, i) => (k - 1) * (dilations[i] ?? 1) + 1);
  const spans = size.map((all, i) => all + 2 * (sides[i] ?? 0) - (reach[i] ?? 1));
  const counts = spans.map((span, i) => Math.floor(span / (strides[i] ?? 1)) + 1);
  const left = spans.map((span, i) => span - ((counts[i] ?? 1) - 1) * (strides[i] ?? 1));
  const maps = reshapeTo(graph, x, [x.shape[0] ?? 1, channels * cells, ...counts], [x]);
  const picks = graph.initializer(`${layer}/picks`, pickingKernel(kernel, channels));
  const attributes = {
    kernel_shape: kernel,
    strides,
    pads: [...sides, ...sides],
    dilations,
    group: channels,
  };
  return kerasTensor(
    graph.add(
      'ConvTranspose',
      [maps, picks],
      left.some((rest) => rest > 0) ? { ...attributes, output_padding: left } : attributes,
    ),
  );
}

/** Windows whose cells are laid side by side, and back. Source: keras/src/ops/image.py and nn.py. */
export const patchOperations: Readonly<Record<string, Operation>> = {
  extract_patches: extractPatches,
  extract_patches_3d: extractPatches,
  unfold,
  fold,
};
