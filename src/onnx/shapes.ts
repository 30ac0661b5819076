import type { Dim, Shape, Value } from '../tensor.ts';

/** A shape that cannot be: the caller built nodes that do not fit, which is our fault and not the file's. */
function misfit(what: string): Error {
  return new Error(`Bug: ${what}`);
}

/** NumPy broadcasting; a symbolic size wins over 1 and must equal any other. */
export function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x === 1) return y;
    if (y === 1 || x === y || typeof y === 'string') return x;
    if (typeof x === 'string') return y;
    throw misfit(`[${a.join(', ')}] and [${b.join(', ')}] do not broadcast`);
  });
}

export function matrixProduct(a: Shape, b: Shape): Shape {
  const inner = a.at(-1);
  const other = b.length === 1 ? b[0] : b.at(-2);
  if (typeof inner === 'number' && typeof other === 'number' && inner !== other) {
    throw misfit(`[${a.join(', ')}] · [${b.join(', ')}]: inner sizes differ`);
  }
  const batch = broadcast(a.slice(0, -2), b.slice(0, -2));
  return [...batch, ...a.slice(-2, -1), ...(b.length > 1 ? b.slice(-1) : [])];
}

interface Window {
  readonly kernel_shape: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations?: readonly number[];
  readonly ceil_mode?: 0 | 1;
  readonly auto_pad?: 'SAME_UPPER';
}

function windowed(spatial: Shape, window: Window): Shape {
  const rank = spatial.length;
  return spatial.map((dim, i) => {
    const kernel = ((window.kernel_shape[i] ?? 1) - 1) * (window.dilations?.[i] ?? 1) + 1;
    const pads = (window.pads[i] ?? 0) + (window.pads[i + rank] ?? 0);
    const stride = window.strides[i] ?? 1;
    if (window.auto_pad) return shared(dim, stride);
    if (typeof dim === 'string') return stride === 1 && pads === kernel - 1 ? dim : `${dim}_out`;
    const steps = (dim + pads - kernel) / stride;
    return (window.ceil_mode === 1 ? Math.ceil(steps) : Math.floor(steps)) + 1;
  });
}

/** How many windows begin in `dim`, rounded up. */
function shared(dim: Dim, stride: number): Dim {
  if (stride === 1) return dim;
  return typeof dim === 'number' ? Math.ceil(dim / stride) : `ceil(${dim}/${stride})`;
}

export function convolved(x: Shape, w: Shape, attributes: Window): Shape {
  return [x[0] ?? 1, w[0] ?? 1, ...windowed(x.slice(2), attributes)];
}

export function pooled(x: Shape, attributes: Window): Shape {
  return [...x.slice(0, 2), ...windowed(x.slice(2), attributes)];
}

/** What a pooling would have made [.., x] of, had nothing been left over at the end. */
export function unpooled(x: Shape, attributes: Window): Shape {
  return transposedConvolved(x, [1, x[1] ?? 1], { ...attributes, group: 1 });
}

export function transposedConvolved(
  x: Shape,
  w: Shape,
  attributes: Window & { readonly group: number; readonly output_padding?: readonly number[] },
): Shape {
  const rank = x.length - 2;
  const spatial = x.slice(2).map((dim, i) => {
    if (typeof dim === 'string') return `${dim}_out`;
    const kernel = ((attributes.kernel_shape[i] ?? 1) - 1) * (attributes.dilations?.[i] ?? 1) + 1;
    const pads = (attributes.pads[i] ?? 0) + (attributes.pads[i + rank] ?? 0);
    const extra = attributes.output_padding?.[i] ?? 0;
    return (dim - 1) * (attributes.strides[i] ?? 1) + kernel - pads + extra;
  });
  return [x[0] ?? 1, Number(w[1] ?? 1) * attributes.group, ...spatial];
}

function constantOf(value: Value): readonly number[] {
  if (value.constant) return value.constant;
  throw misfit(`"${value.name}" must be a constant for its shape to be known`);
}

function product(dims: Shape): Dim {
  const sizes = dims.filter((dim) => dim !== 1);
  const symbolic = sizes.filter((dim) => typeof dim === 'string');
  if (symbolic.length === 0) return sizes.reduce<number>((a, b) => a * Number(b), 1);
  return sizes.length === 1 ? (symbolic[0] ?? 1) : sizes.join('*');
}

/** ONNX Reshape: 0 keeps a dimension, -1 takes what is left. A target that is computed leaves its sizes open. */
export function reshapedTo(x: Shape, target: Value): Shape {
  if (!target.constant) {
    return Array.from({ length: Number(target.shape[0] ?? 1) }, (_, i) => `${target.name}_${i}`);
  }
  const dims: Dim[] = constantOf(target).map((dim, axis) => (dim === 0 ? (x[axis] ?? 1) : dim));
  const open = dims.indexOf(-1);
  if (open < 0) return dims;
  const rest: Dim[] = [...x];
  let known = 1;
  for (const dim of dims) {
    if (dim === -1) continue;
    const same = rest.indexOf(dim);
    if (same >= 0) rest.splice(same, 1);
    else if (typeof dim === 'number') known *= dim;
    else throw misfit(`"${dim}" is not in [${x.join(', ')}]`);
  }
  return dims.with(open, quotient(rest, known));
}

function quotient(dims: Shape, known: number): Dim {
  const all = product(dims);
  if (typeof all === 'number') return all / known;
  const numeric = dims.reduce<number>((n, dim) => (typeof dim === 'number' ? n * dim : n), 1);
  const symbolic = dims.filter((dim) => typeof dim === 'string');
  return numeric === known ? product(symbolic) : `${product(symbolic)}*${numeric}/${known}`;
}

export function flattened(x: Shape, axis: number): Shape {
  const at = axis < 0 ? axis + x.length : axis;
  return [product(x.slice(0, at)), product(x.slice(at))];
}

export function insertAxes(x: Shape, axes: Value): Shape {
  const added = constantOf(axes);
  const rank = x.length + added.length;
  const places = new Set(added.map((axis) => (axis < 0 ? axis + rank : axis)));
  const rest = [...x];
  return Array.from({ length: rank }, (_, i) => (places.has(i) ? 1 : (rest.shift() ?? 1)));
}

export function dropAxes(x: Shape, axes: Value): Shape {
  const dropped = new Set(constantOf(axes).map((axis) => (axis < 0 ? axis + x.length : axis)));
  return x.filter((_, axis) => !dropped.has(axis));
}

export function expanded(x: Shape, target: Value): Shape {
  const sizes = target.constant ?? target.tells;
  return sizes
    ? broadcast(x, sizes)
    : Array.from({ length: Number(target.shape[0] ?? x.length) }, (_, i) => x[i] ?? 1);
}

export function concatenated(shapes: readonly Shape[], axis: number): Shape {
  const [first = [], ...others] = shapes;
  const at = axis < 0 ? axis + first.length : axis;
  return first.with(
    at,
    others.reduce<Dim>((sum, other) => add(sum, other[at] ?? 1), first[at] ?? 1),
  );
}

function add(a: Dim, b: Dim): Dim {
  return typeof a === 'number' && typeof b === 'number' ? a + b : `${a}+${b}`;
}

interface SliceInputs {
  readonly starts: Value;
  readonly ends: Value;
  readonly axes: Value | undefined;
  readonly steps: Value | undefined;
}

/** ONNX Slice. Where start or end are computed in the graph, the size becomes a symbol. */
export function sliced(x: Shape, { starts, ends, axes, steps }: SliceInputs): Shape {
  const count = Number(starts.shape[0] ?? 1);
  const along = axes ? constantOf(axes) : Array.from({ length: count }, (_, i) => i);
  const result: Dim[] = [...x];
  along.forEach((axis, i) => {
    const at = axis < 0 ? axis + x.length : axis;
    const dim = x[at] ?? 1;
    const start = starts.constant?.[i];
    const end = ends.constant?.[i];
    const step = steps ? constantOf(steps)[i] : 1;
    result[at] =
      typeof dim === 'string' || start === undefined || end === undefined
        ? sliceSymbol(dim, { start, end, step })
        : sliceSize(dim, { start, end, step: step ?? 1 });
  });
  return result;
}

/** Ends that lie behind, or before, whatever size there is. */
const beyond = 2 ** 31 - 1;

function sliceSymbol(
  dim: Dim,
  { start, end = 0, step }: Readonly<Record<'start' | 'end' | 'step', number | undefined>>,
): Dim {
  const isForward = start === 0 && step === 1 && end >= beyond;
  const isBackward = start === -1 && step === -1 && end <= -beyond;
  return (isForward || isBackward) && typeof dim === 'string' ? dim : `${dim}_slice`;
}

function sliceSize(
  dim: number,
  range: { readonly start: number; readonly end: number; readonly step: number },
): number {
  const { step } = range;
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? dim : dim - 1;
  const clamp = (at: number): number =>
    Math.max(low, Math.min(high, at < 0 ? Math.max(at + dim, low) : at));
  return Math.max(0, Math.ceil((clamp(range.end) - clamp(range.start)) / step));
}

export function gathered(x: Shape, indices: Shape, axis: number): Shape {
  const at = axis < 0 ? axis + x.length : axis;
  return [...x.slice(0, at), ...indices, ...x.slice(at + 1)];
}

/** ONNX GatherND: the last axis of the indices says a place on as many axes behind the batch. */
export function gatheredAt(x: Shape, indices: Shape, batch: number): Shape {
  return [...indices.slice(0, -1), ...x.slice(batch + Number(indices.at(-1) ?? 1))];
}

export function padded(x: Shape, pads: Value): Shape {
  const sizes = constantOf(pads);
  return x.map((dim, axis) => {
    const extra = (sizes[axis] ?? 0) + (sizes[axis + x.length] ?? 0);
    return extra === 0 ? dim : add(dim, extra);
  });
}

export function resized(x: Shape, scales: Value | undefined, sizes: Value | undefined): Shape {
  if (sizes) return sizes.constant ?? x.map((_, axis) => `${sizes.name}_${axis}`);
  const factors = scales?.constant;
  if (!factors) throw misfit('Resize needs constant scales or sizes');
  return x.map((dim, axis) => {
    const factor = factors[axis] ?? 1;
    if (factor === 1) return dim;
    return typeof dim === 'number' ? Math.floor(dim * factor) : `${dim}*${factor}`;
  });
}

export function reduced(x: Shape, axes: readonly number[] | undefined, keepdims: 0 | 1): Shape {
  const along = new Set(axes?.map((axis) => (axis < 0 ? axis + x.length : axis)));
  return x.flatMap((dim, axis) => {
    if (!along.has(axis)) return [dim];
    return keepdims === 1 ? [1] : [];
  });
}

export function tiled(x: Shape, repeats: Value): Shape {
  const counts = constantOf(repeats);
  return x.map((dim, axis) => product([dim, counts[axis] ?? 1]));
}

/** ONNX TopK. A count that is computed leaves the size open unless it is that of the axis. */
export function topped(x: Shape, k: Value, axis: number): Shape {
  const at = axis < 0 ? axis + x.length : axis;
  return x.with(at, k.constant?.[0] ?? x[at] ?? 1);
}

/** ONNX Split, sizes given. */
export function splits(x: Shape, sizes: Value, axis: number): readonly Shape[] {
  const at = axis < 0 ? axis + x.length : axis;
  return constantOf(sizes).map((size) => x.with(at, size));
}

/** Blocks of `size` by `size` of a map [N, C, H, W] moved into the channels; out of them for 1 / size. */
export function blocked([batch = 1, channels = 1, ...space]: Shape, size: number): Shape {
  return [
    batch,
    Number(channels) * size * size,
    ...space.map((dim) => (typeof dim === 'number' ? dim / size : `${dim}/${size}`)),
  ];
}

/** ONNX Einsum with an explicit output and at most one ellipsis a term, whose axes broadcast. */
export function contracted(shapes: readonly Shape[], equation: string): Shape {
  const [left = '', right = ''] = equation.replaceAll(' ', '').split('->');
  const sizes = new Map<string, Dim>();
  let rest: Shape = [];
  left.split(',').forEach((term, i) => {
    const shape = shapes[i] ?? [];
    const [before = '', after] = term.split('...');
    const open = after === undefined ? 0 : shape.length - before.length - after.length;
    if (after !== undefined) {
      rest = broadcast(rest, shape.slice(before.length, before.length + open));
    }
    // oxlint-disable-next-line typescript/no-misused-spread -- letters of an equation are ASCII
    [...before].forEach((letter, at) => sizes.set(letter, shape[at] ?? 1));
    // oxlint-disable-next-line typescript/no-misused-spread -- letters of an equation are ASCII
    [...(after ?? '')].forEach((letter, at) =>
      sizes.set(letter, shape[before.length + open + at] ?? 1),
    );
  });
  return right.split(/(\.\.\.)/).flatMap((part) =>
    // oxlint-disable-next-line typescript/no-misused-spread -- letters of an equation are ASCII
    part === '...' ? rest : [...part].map((letter) => sizes.get(letter) ?? 1),
  );
}
