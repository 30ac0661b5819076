import type { Where } from '../errors.ts';
import type { Kernels } from '../keras/model.ts';
import type { Dim } from '../tensor.ts';
import { unsupported } from './layer.ts';
import { isKnown } from './layout.ts';

/** How Keras pads the windows of a convolution or a pooling layer. */
export const paddings = ['valid', 'same', 'full', 'causal'] as const;
export type Padding = (typeof paddings)[number];

/** One axis along which a window moves. */
export interface Span {
  readonly size: Dim;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
}

interface Side {
  readonly begin: number;
  readonly end: number;
}

const none: Side = { begin: 0, end: 0 };

interface Rule {
  readonly padding: Padding;
  readonly kernels: Kernels;
  readonly isPooling: boolean;
  /** Theano: the pads are the same at both ends, and nothing is cut off. */
  readonly isWhole?: boolean;
}

/** The attributes of an ONNX window for what is added around its input. */
export interface Pads {
  /** Begin of each axis, then end of each. */
  readonly pads: readonly number[];
  /** That the pads are worked out when the graph runs instead. */
  readonly auto_pad?: 'SAME_UPPER';
}

/**
 * What a window adds around its input.
 *
 * Written out in numbers, because Theano's rules have no `auto_pad`. TensorFlow's SAME depends on the size unless
 * the stride is 1: where the size is open it is left to `auto_pad`, which is the same as long as no window is shorter
 * than its stride (onnxruntime would count pads below zero); else it is refused with KERAS_LAYER_UNSUPPORTED.
 * Source: theano/tensor/nnet/abstract_conv.py, keras/backend/theano_backend.py (pool2d), TensorFlow's ops/nn.
 */
export function padsOf(spans: readonly Span[], rule: Rule, where: Where): Pads {
  const isSame = rule.padding === 'same' && rule.kernels === 'tensorflow';
  const open = isSame ? spans.find(dependsOnOpenSize) : undefined;
  if (open) return automatic(spans, open, where);
  const sides = spans.map((span) => sideOf(span, rule));
  return { pads: [...sides.map((side) => side.begin), ...sides.map((side) => side.end)] };
}

/** Whether TensorFlow's SAME can only be told when the graph runs. */
function dependsOnOpenSize(span: Span): boolean {
  return !isKnown(span.size) && span.stride > 1 && reachOf(span) > 1;
}

function automatic(spans: readonly Span[], open: Span, where: Where): Pads {
  if (spans.every((span) => reachOf(span) >= span.stride)) {
    return { pads: [...spans, ...spans].map(() => 0), auto_pad: 'SAME_UPPER' };
  }
  throw unsupported(
    `Padding "same" with strides ${spans.map(({ stride }) => stride).join(', ')} larger than the kernel ${spans.map(({ kernel }) => kernel).join(', ')} needs to know the input size, but ${open.size} is open`,
    where,
    'Save the model with a fixed input size.',
  );
}

function reachOf({ kernel, dilation }: Span): number {
  return (kernel - 1) * dilation + 1;
}

function sideOf(span: Span, rule: Rule): Side {
  const reach = reachOf(span);
  switch (rule.padding) {
    case 'valid':
      return none;
    case 'full':
      return { begin: reach - 1, end: reach - 1 };
    case 'causal':
      return { begin: reach - 1, end: 0 };
    case 'same':
      if (rule.kernels === 'tensorflow') return tensorflowSame(span, reach);
      return rule.isPooling ? theanoPool(span.kernel, rule.isWhole === true) : theanoSame(reach);
  }
}

function tensorflowSame(span: Span, reach: number): Side {
  const total = tensorflowTotal(span, reach);
  const begin = Math.floor(total / 2);
  return { begin, end: total - begin };
}

/** A window of one element never reaches over the end, so that an open size does not matter. */
function tensorflowTotal({ size, stride }: Span, reach: number): number {
  if (stride === 1 || !isKnown(size)) return reach - 1;
  return Math.max((Math.ceil(size / stride) - 1) * stride + reach - size, 0);
}

/**
 * Whether windows shorter than their stride lie in the middle of what they are to cover, and not at its beginning, for
 * some kernels of TensorFlow: the padding that TensorFlow states is never below zero, but Eigen halves what is lacking.
 */
export function isCentredByEigen({ size, kernel, stride }: Span): boolean {
  const total = isKnown(size)
    ? (Math.ceil(size / stride) - 1) * stride + kernel - size
    : kernel - stride;
  return total <= -2;
}

/** Theano pads half a kernel on both sides, whatever the size and stride; Keras crops the even ones at the end. */
function theanoSame(reach: number): Side {
  return { begin: Math.floor(reach / 2), end: Math.floor((reach - 1) / 2) };
}

function theanoPool(kernel: number, isWhole: boolean): Side {
  const begin = kernel > 2 && kernel % 2 === 1 ? kernel - 2 : kernel - 1;
  return { begin, end: isWhole ? begin : kernel - 1 - begin };
}
