/* oxlint-disable eslint/max-lines -- all that is known of layouts, in one place */
import type { GraphBuilder } from '../onnx/graph.ts';
import { type Dim, type Shape, sizeOf, type Value } from '../tensor.ts';

/** How the numbers of a Keras tensor lie in the ONNX value that carries it. */
export type Layout =
  /** As Keras has them. */
  | { readonly kind: 'keras' }
  /** Keras says [N, ...spatial, C], the value is [N, C, ...spatial]. */
  | { readonly kind: 'channelsFirst' }
  /** Keras says [N, T, ...], the value is [T, N, ...], as ONNX's recurrent operators have it. */
  | { readonly kind: 'timeFirst' }
  /** Keras says [N, T, D · F], the value is [T, D, N, F]: what a recurrent operator of D directions puts out. */
  | { readonly kind: 'directions' }
  /** Keras says [N, T, ...], the value is `inner`'s, whose batch is N · T: what a layer that runs on each step put out. */
  | {
      readonly kind: 'perStep';
      readonly inner: KerasTensor;
      /** Gives [N · T, ...] its two axes back. */
      readonly join: (value: Value) => Value;
    }
  /** Keras says [N, F] and lets F run over `from` = [...spatial, C]; in the value it runs over [C, ...spatial]. */
  | { readonly kind: 'flat'; readonly from: readonly number[] };

/** Zeros that a ZeroPadding layer asked for and that no node has added yet, for each axis of the Keras shape. */
export interface PendingPad {
  readonly begin: readonly number[];
  readonly end: readonly number[];
  /** Full name of the layer that asked for them. */
  readonly layer: string;
}

/** Which steps count: bool [N, T]. Its nodes are added when a layer first asks. */
export type Mask = () => Value;

/** A mask whose nodes are added once, by whoever asks first. */
export function once(make: Mask): Mask {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** A Keras tensor on its way through the graph. `shape` is what Keras says, batch and pending zeros included. */
export interface KerasTensor {
  readonly value: Value;
  readonly shape: Shape;
  readonly layout: Layout;
  readonly pending?: PendingPad | undefined;
  /** Keras' own `_keras_mask`, which goes along with the tensor through layers that let it. */
  readonly mask?: Mask | undefined;
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

/** A value [T, N, ...] for what Keras calls [N, T, ...]. */
export function timeFirstTensor(value: Value): KerasTensor {
  const [steps = 1, batch = 1, ...rest] = value.shape;
  return { value, shape: [batch, steps, ...rest], layout: { kind: 'timeFirst' } };
}

/** A value [T, D, N, F] for what Keras calls [N, T, D · F]. */
export function directionsTensor(value: Value): KerasTensor {
  const [steps = 1, directions = 1, batch = 1, features = 1] = value.shape;
  const shape = [batch, steps, Number(directions) * Number(features)];
  return { value, shape, layout: { kind: 'directions' } };
}

/** Layouts that most layers do not work in, and that are left for another where they must. */
function isPassing({ kind }: Layout): boolean {
  return kind === 'perStep' || kind === 'directions';
}

/** The tensor after a node that works on each element by itself. */
export function elementwise(tensor: KerasTensor, value: Value): KerasTensor {
  return { value, shape: tensor.shape, layout: tensor.layout };
}

/** A value that lies as the tensor does, whatever its sizes. */
export function inLayoutOf({ layout, shape }: KerasTensor, value: Value): KerasTensor {
  switch (layout.kind) {
    case 'channelsFirst':
      return channelsFirstTensor(value);
    case 'timeFirst':
      return timeFirstTensor(value);
    case 'flat':
      return { value, shape, layout };
    default:
      return kerasTensor(value);
  }
}

/** A tensor of a model that ran on N · T samples, for what Keras calls [N, T, ...]. */
export function perStepTensor(
  inner: KerasTensor,
  shape: Shape,
  join: (value: Value) => Value,
): KerasTensor {
  return { value: inner.value, shape, layout: { kind: 'perStep', inner, join } };
}

/** Whether two tensors lie in memory alike, so that nodes may pair them element by element. */
export function isSameLayout(a: Layout, b: Layout): boolean {
  if (isPassing(a) || isPassing(b)) return false;
  if (a.kind !== 'flat' || b.kind !== 'flat') return a.kind === b.kind;
  return String(a.from) === String(b.from);
}

/** The axis of the value for an axis of the Keras shape; both count from 0, negative ones from the end. */
export function axisIn({ shape, layout }: KerasTensor, axis: number): number {
  if (isPassing(layout)) throw new Error('Bug: the steps were not put together');
  const at = axis < 0 ? axis + shape.length : axis;
  if (layout.kind === 'timeFirst') return at < 2 ? 1 - at : at;
  if (layout.kind !== 'channelsFirst' || at === 0) return at;
  return at === shape.length - 1 ? 1 : at + 1;
}

/** [C, ...spatial] first to [...spatial, C], for a tensor with a batch axis. */
function toChannelsLast(rank: number): readonly number[] {
  return [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
}

/** The first two axes change places. */
function swapped(rank: number): readonly number[] {
  return Array.from({ length: rank }, (_, axis) => (axis < 2 ? 1 - axis : axis));
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
  readonly #timeFirst = new WeakMap<KerasTensor, KerasTensor>();

  readonly #own = new Set<Value>();

  constructor(graph: GraphBuilder) {
    this.#graph = graph;
  }

  /** Whether a value was made here, so that it may be handed out again. */
  isOwn(value: Value): boolean {
    return this.#own.has(value);
  }

  /** Tells that the value of a tensor in Keras' layout was given another name. */
  replace(tensor: KerasTensor, renamed: Value): void {
    this.#own.add(renamed);
    this.#keras.set(tensor, kerasTensor(renamed));
  }

  #transpose(value: Value, perm: readonly number[]): Value {
    const moved = this.#reshaped(value, perm) ?? this.#graph.add('Transpose', [value], { perm });
    this.#own.add(moved);
    return moved;
  }

  /** Where only axes of size 1 move, the numbers stay where they are. */
  #reshaped(value: Value, perm: readonly number[]): Value | undefined {
    if (!movesOnlyOnes(value, perm)) return undefined;
    const dims = perm.map((axis) => value.shape[axis] ?? 1);
    const sizes = dims.map((dim, axis) => {
      if (typeof dim === 'number') return dim;
      return value.shape[axis] === dim ? 0 : -1;
    });
    if (sizes.filter((size) => size === -1).length > 1) return undefined;
    const shape = integers(this.#graph, 'shape', sizes);
    const moved = this.#graph.add('Reshape', [value, shape]);
    return this.#graph.rename(moved, moved.name, dims);
  }

  /** The tensor with its pending zeros added by a Pad node, named after the layer that asked for them, and its steps put together. */
  padded(tensor: KerasTensor): KerasTensor {
    if (tensor.layout.kind === 'perStep') return this.keras(tensor);
    if (tensor.layout.kind === 'directions') return this.timeFirst(tensor);
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
      if (this.padNodes.has(pending.layer)) {
        this.#own.add(pad);
        return elementwise(tensor, pad);
      }
      const value = this.#graph.rename(pad, pending.layer);
      this.#own.add(value);
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
      if (tensor.layout.kind === 'perStep') {
        const together = tensor.layout.join(this.keras(tensor.layout.inner).value);
        this.#own.add(together);
        return { ...kerasTensor(together), mask: tensor.mask };
      }
      if (tensor.layout.kind === 'directions') {
        // [T, D, N, F] → [N, T, D, F] → [N, T, D · F].
        const moved = this.#graph.add('Transpose', [tensor.value], { perm: [2, 0, 1, 3] });
        return kerasTensor(this.#merged(moved, tensor.shape));
      }
      const { value, layout } = this.padded(tensor);
      const graph = this.#graph;
      if (layout.kind === 'channelsFirst') {
        return kerasTensor(this.#transpose(value, toChannelsLast(value.shape.length)));
      }
      if (layout.kind === 'timeFirst') {
        return kerasTensor(this.#transpose(value, swapped(value.shape.length)));
      }
      if (layout.kind !== 'flat') throw new Error('Bug: padding changed the layout');
      const maps = [0, ...layout.from.slice(-1), ...layout.from.slice(0, -1)];
      const unflattened = graph.add('Reshape', [value, integers(graph, 'shape', maps)]);
      const perm = toChannelsLast(maps.length);
      const moved = graph.add('Transpose', [unflattened], { perm });
      const flat = graph.add('Flatten', [moved], { axis: 1 });
      this.#own.add(flat);
      return kerasTensor(flat);
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
      const rank = tensor.shape.length;
      // [T, N, C] → [N, C, T] in one step.
      const isTimeFirst = tensor.layout.kind === 'timeFirst' && rank === 3;
      const perm = isTimeFirst ? [1, 2, 0] : toChannelsFirst(rank);
      const from = isTimeFirst || tensor.layout.kind === 'keras' ? tensor : this.keras(tensor);
      return {
        ...tensor,
        value: this.#transpose(from.value, perm),
        layout: { kind: 'channelsFirst' },
      };
    });
  }

  /** A tensor that Keras calls [N, T, ...] as a value [T, N, ...], zeros added. */
  timeFirst(tensor: KerasTensor): KerasTensor {
    if (tensor.layout.kind === 'timeFirst') return this.padded(tensor);
    return remember(this.#timeFirst, tensor, () => {
      if (tensor.layout.kind === 'directions') return this.#stepsFirst(tensor);
      const padded = this.padded(tensor);
      const rank = tensor.shape.length;
      // [N, C, T] → [T, N, C] in one step.
      const isMaps = padded.layout.kind === 'channelsFirst' && rank === 3;
      const { value } = isMaps ? padded : this.keras(padded);
      const perm = isMaps ? [2, 0, 1] : swapped(rank);
      return timeFirstTensor(this.#transpose(value, perm));
    });
  }

  #stepsFirst({ value, shape }: KerasTensor): KerasTensor {
    const [batch = 1, steps = 1, features = 1] = shape;
    if (value.shape[1] === 1) {
      const flat = this.#graph.add('Squeeze', [value, integers(this.#graph, 'axes', [1])]);
      this.#own.add(flat);
      return timeFirstTensor(flat);
    }
    const moved = this.#graph.add('Transpose', [value], { perm: [0, 2, 1, 3] });
    return timeFirstTensor(this.#merged(moved, [steps, batch, features]));
  }

  /** The last two axes as one. */
  #merged(value: Value, shape: Shape): Value {
    const target = integers(this.#graph, 'shape', [0, 0, Number(shape[2] ?? 1)]);
    const merged = this.#graph.add('Reshape', [value, target]);
    const named = this.#graph.rename(merged, merged.name, shape);
    this.#own.add(named);
    return named;
  }

  /** The numbers in the order in which Keras has them, whatever the shape: for layers that give them another one. */
  inOrder(tensor: KerasTensor): Value {
    const { value, layout, pending } = tensor;
    const isPlain = layout.kind === 'channelsFirst' && !pending;
    const isAlike = isPlain && movesOnlyOnes(value, toChannelsLast(value.shape.length));
    return isAlike ? value : this.keras(tensor).value;
  }
}

/** Whether the axes of more than one element keep their order. */
function movesOnlyOnes({ shape }: Value, perm: readonly number[]): boolean {
  const moved = perm.filter((axis) => shape[axis] !== 1);
  return moved.every((axis, i) => i === 0 || axis > (moved[i - 1] ?? 0));
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
