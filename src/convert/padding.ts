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

/**
 * ONNX `pads` of a window: begin of each axis, then end of each.
 *
 * Written out in numbers, because Theano's rules have no `auto_pad`. TensorFlow's SAME depends on the size unless
 * the stride is 1; where the size is unknown it is refused with KERAS_LAYER_UNSUPPORTED.
 * Source: theano/tensor/nnet/abstract_conv.py, keras/backend/theano_backend.py (pool2d), TensorFlow's ops/nn.
 */
export function padsOf(spans: readonly Span[], rule: Rule, where: Where): readonly number[] {
  const sides = spans.map((span) => sideOf(span, rule, where));
  return [...sides.map((side) => side.begin), ...sides.map((side) => side.end)];
}

function sideOf(span: Span, rule: Rule, where: Where): Side {
  const reach = (span.kernel - 1) * span.dilation + 1;
  switch (rule.padding) {
    case 'valid':
      return none;
    case 'full':
      return { begin: reach - 1, end: reach - 1 };
    case 'causal':
      return { begin: reach - 1, end: 0 };
    case 'same':
      if (rule.kernels === 'tensorflow') return tensorflowSame(span, reach, where);
      return rule.isPooling ? theanoPool(span.kernel, rule.isWhole === true) : theanoSame(reach);
  }
}

function tensorflowSame(span: Span, reach: number, where: Where): Side {
  const total = tensorflowTotal(span, reach, where);
  const begin = Math.floor(total / 2);
  return { begin, end: total - begin };
}

function tensorflowTotal({ size, stride }: Span, reach: number, where: Where): number {
  if (stride === 1) return reach - 1;
  if (isKnown(size)) return Math.max((Math.ceil(size / stride) - 1) * stride + reach - size, 0);
  throw unsupported(
    `Padding "same" with stride ${stride} needs to know the input size, but it is open`,
    where,
    'Save the model with a fixed input size.',
  );
}

/** Theano pads half a kernel on both sides, whatever the size and stride; Keras crops the even ones at the end. */
function theanoSame(reach: number): Side {
  return { begin: Math.floor(reach / 2), end: Math.floor((reach - 1) / 2) };
}

function theanoPool(kernel: number, isWhole: boolean): Side {
  const begin = kernel > 2 && kernel % 2 === 1 ? kernel - 2 : kernel - 1;
  return { begin, end: isWhole ? begin : kernel - 1 - begin };
}
