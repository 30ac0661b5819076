import type { GraphBuilder } from '../onnx/graph.ts';
import { type Dim, type Shape, sizeOf, type Value } from '../tensor.ts';

/** How the numbers of a Keras tensor lie in the ONNX value that carries it. */
export type Layout =
  /** As Keras has them. */
  | { readonly kind: 'keras' }
  /** Keras says [N, ...spatial, C], the value is [N, C, ...spatial]. */
  | { readonly kind: 'channelsFirst' }
  /** Keras says [N, F] and lets F run over `from` = [...spatial, C]; in the value it runs over [C, ...spatial]. */
  | { readonly kind: 'flat'; readonly from: readonly number[] };

/** Zeros that a ZeroPadding layer asked for and that no node has added yet, for each axis of the Keras shape. */
export interface PendingPad {
  readonly begin: readonly number[];
  readonly end: readonly number[];
  /** Full name of the layer that asked for them. */
  readonly layer: string;
}

/** A Keras tensor on its way through the graph. `shape` is what Keras says, batch and pending zeros included. */
export interface KerasTensor {
  readonly value: Value;
  readonly shape: Shape;
  readonly layout: Layout;
  readonly pending?: PendingPad | undefined;
}

const asKeras: Layout = { kind: 'keras' };

/** A value that lies as Keras has it. */
export function kerasTensor(value: Value): KerasTensor {
  return { value, shape: value.shape, layout: asKeras };
}

/** A value [N, C, ...spatial] for what Keras calls [N, ...spatial, C]. */
export function channelsFirstTensor(value: Value): KerasTensor {
  const [batch = 1, channels = 1, ...spatial] = value.shape;
  return { value, shape: [batch, ...spatial, channels], layout: { kind: 'channelsFirst' } };
}

/** The tensor after a node that works on each element by itself. */
export function elementwise(tensor: KerasTensor, value: Value): KerasTensor {
  return { value, shape: tensor.shape, layout: tensor.layout };
}

/** Whether two tensors lie in memory alike, so that nodes may pair them element by element. */
export function isSameLayout(a: Layout, b: Layout): boolean {
  if (a.kind !== 'flat' || b.kind !== 'flat') return a.kind === b.kind;
  return String(a.from) === String(b.from);
}

/** The axis of the value for an axis of the Keras shape; both count from 0, negative ones from the end. */
export function axisIn({ shape, layout }: KerasTensor, axis: number): number {
  const at = axis < 0 ? axis + shape.length : axis;
  if (layout.kind !== 'channelsFirst' || at === 0) return at;
  return at === shape.length - 1 ? 1 : at + 1;
}

/** [C, ...spatial] first to [...spatial, C], for a tensor with a batch axis. */
function toChannelsLast(rank: number): readonly number[] {
  return [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
}

function toChannelsFirst(rank: number): readonly number[] {
  return [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)];
}

/** Moves tensors between layouts, each only once however many layers ask for it. */
export class Layouts {
  readonly #graph: GraphBuilder;
  /** Values of the Pad nodes that were needed, by the layer that asked for the zeros. */
  readonly padNodes = new Map<string, Value>();
  readonly #padded = new WeakMap<KerasTensor, KerasTensor>();
  readonly #paddedForMaxPool = new WeakMap<KerasTensor, KerasTensor>();
  readonly #keras = new WeakMap<KerasTensor, KerasTensor>();
  readonly #channelsFirst = new WeakMap<KerasTensor, KerasTensor>();

  constructor(graph: GraphBuilder) {
    this.#graph = graph;
  }

  /** The tensor with its pending zeros added by a Pad node, named after the layer that asked for them. */
  padded(tensor: KerasTensor): KerasTensor {
    return this.#filled(tensor, { with: 0, memory: this.#padded });
  }

  /**
   * As `padded`, for a MaxPool.
   *
   * onnxruntime's PadFusion (pull request 18136, still so in 1.30) makes a Pad of zeros the pads of the MaxPool after
   * it, which stand for minus infinity: wrong where a whole window is negative. It leaves any other number alone, so
   * the smallest normal float32 stands for zero.
   */
  paddedForMaxPool(tensor: KerasTensor): KerasTensor {
    return this.#filled(tensor, { with: 2 ** -126, memory: this.#paddedForMaxPool });
  }

  #filled(
    tensor: KerasTensor,
    zero: { readonly with: number; readonly memory: WeakMap<KerasTensor, KerasTensor> },
  ): KerasTensor {
    const { pending } = tensor;
    if (!pending) return tensor;
    return remember(zero.memory, tensor, () => {
      const pad = this.#graph.within(pending.layer, () => this.#pad(tensor, pending, zero.with));
      if (this.padNodes.has(pending.layer)) return elementwise(tensor, pad);
      const value = this.#graph.rename(pad, pending.layer);
      this.padNodes.set(pending.layer, value);
      return elementwise(tensor, value);
    });
  }

  #pad(tensor: KerasTensor, { begin, end }: PendingPad, zero: number): Value {
    const order = tensor.shape
      .map((_, axis) => axis)
      .toSorted((a, b) => axisIn(tensor, a) - axisIn(tensor, b));
    const pads = [begin, end].flatMap((side) => order.map((axis) => side[axis] ?? 0));
    const graph = this.#graph;
    const sizes = integers(graph, 'pads', pads);
    const mode = { mode: 'constant' } as const;
    return zero === 0
      ? graph.add('Pad', [tensor.value, sizes], mode)
      : graph.add('Pad', [tensor.value, sizes, graph.floats('almost_zero', [zero])], mode);
  }

  /** The tensor in the very order Keras has it, zeros added. */
  keras(tensor: KerasTensor): KerasTensor {
    if (tensor.layout.kind === 'keras') return this.padded(tensor);
    return remember(this.#keras, tensor, () => {
      const { value, layout } = this.padded(tensor);
      const graph = this.#graph;
      if (layout.kind === 'channelsFirst') {
        return kerasTensor(
          graph.add('Transpose', [value], { perm: toChannelsLast(value.shape.length) }),
        );
      }
      if (layout.kind === 'keras') throw new Error('Bug: padding changed the layout');
      const maps = [0, ...layout.from.slice(-1), ...layout.from.slice(0, -1)];
      const unflattened = graph.add('Reshape', [value, integers(graph, 'shape', maps)]);
      const perm = toChannelsLast(maps.length);
      const moved = graph.add('Transpose', [unflattened], { perm });
      return kerasTensor(graph.add('Flatten', [moved], { axis: 1 }));
    });
  }

  /**
   * A tensor that Keras calls [N, ...spatial, C] as a value [N, C, ...spatial].
   *
   * Pending zeros stay pending: the window operators take them in.
   */
  channelsFirst(tensor: KerasTensor): KerasTensor {
    if (tensor.layout.kind === 'channelsFirst') return tensor;
    return remember(this.#channelsFirst, tensor, () => {
      const perm = toChannelsFirst(tensor.shape.length);
      return {
        ...tensor,
        value: this.#graph.add('Transpose', [tensor.value], { perm }),
        layout: { kind: 'channelsFirst' },
      };
    });
  }
}

function remember(
  memory: WeakMap<KerasTensor, KerasTensor>,
  tensor: KerasTensor,
  make: () => KerasTensor,
): KerasTensor {
  const known = memory.get(tensor) ?? make();
  memory.set(tensor, known);
  return known;
}

/** A constant list of whole numbers whose name tells its content. */
export function integers(graph: GraphBuilder, stem: string, numbers: readonly number[]): Value {
  return graph.integers(`${stem}_${numbers.join('_').replaceAll('-', 'm')}`, numbers);
}

/**
 * One axis [N, F] of the maps [N, ...spatial, C] or [N, C, ...spatial].
 *
 * `isChannelsLast` says in which order Keras lets F run. Where the value's order differs, nothing is moved: the
 * result remembers it, and the next weights are permuted instead.
 */
export function flattenTensor(
  layers: { readonly graph: GraphBuilder; readonly layouts: Layouts },
  tensor: KerasTensor,
  kerasOrder: 'as stored' | 'channels moved last',
): KerasTensor {
  const { graph, layouts } = layers;
  const input = kerasOrder === 'as stored' ? layouts.padded(tensor) : layouts.keras(tensor);
  const maps = channelsLastMaps(input, kerasOrder);
  if (!maps) return flatKeras(graph, layouts.keras(tensor), kerasOrder);
  const value = graph.add('Flatten', [input.value], { axis: 1 });
  const isOneOrder = maps.at(-1) === 1 || sizeOf(maps.slice(0, -1)) === 1;
  if (isOneOrder) return kerasTensor(value);
  return { value, shape: value.shape, layout: { kind: 'flat', from: maps } };
}

/** [...spatial, C] where the value is [N, C, ...spatial] and Keras flattens channels last; sizes must be known. */
function channelsLastMaps(
  { value, layout }: KerasTensor,
  kerasOrder: 'as stored' | 'channels moved last',
): readonly number[] | undefined {
  if (kerasOrder === 'as stored' && layout.kind !== 'channelsFirst') return undefined;
  const [channels = 1, ...spatial] = value.shape.slice(1);
  const maps = [...spatial, channels];
  return maps.every((dim): dim is number => typeof dim === 'number') ? maps : undefined;
}

function flatKeras(
  graph: GraphBuilder,
  { value }: KerasTensor,
  kerasOrder: 'as stored' | 'channels moved last',
): KerasTensor {
  const rank = value.shape.length;
  const moved =
    kerasOrder === 'as stored' || rank < 3
      ? value
      : graph.add('Transpose', [value], { perm: toChannelsLast(rank) });
  return kerasTensor(graph.add('Flatten', [moved], { axis: 1 }));
}

/** Whether a size is known before the graph runs. */
export function isKnown(dim: Dim | undefined): dim is number {
  return typeof dim === 'number';
}
