import { ToolkitError } from '../../errors.ts';
import type { GraphBuilder, Node } from '../../onnx/graph.ts';
import type { OpType, PerInput } from '../../onnx/ops.ts';
import type { Value } from '../../tensor.ts';
import type { Lowering } from '../lowering/form.ts';

/**
 * What a rule may need besides dy.
 *
 * @public The declarations of the package name it.
 */
export interface RuleContext {
  /** The gradients of all outputs of the node, where the loss depends on them. */
  readonly dys: readonly (Value | undefined)[];
  /** Forms of what providers do differently. */
  readonly lower: Lowering;
}

/**
 * The gradient of an operator: from dy, the gradient of the loss by the first output, to one gradient for each input.
 *
 * `undefined` says that no gradient flows there. A gradient may have the broadcast shape: `backward` sums it back.
 * Nodes that turn out not to be needed are dropped by `backward`, so a rule always answers for every input.
 */
export type GradientRule<O extends OpType> = (
  node: Node<O>,
  dy: Value,
  graph: GraphBuilder,
  context: RuleContext,
) => PerInput<O, Value | undefined>;

/** Some rows of the table of gradients. */
export type GradientRules = { readonly [O in OpType]?: GradientRule<O> };

/** The float32 scalar 0, which fills what a mask leaves out. */
export function zero(graph: GraphBuilder): Value {
  return graph.floats('zero', [0]);
}

/** The float32 scalar 1. */
export function one(graph: GraphBuilder): Value {
  return graph.floats('one', [1]);
}

/** dy where the mask holds, 0 elsewhere: unlike a product it stays 0 where dy is infinite. */
export function where(graph: GraphBuilder, mask: Value, dy: Value): Value {
  return graph.add('Where', [mask, dy, zero(graph)]);
}

/** dy where the mask does not hold, 0 elsewhere. */
export function whereNot(graph: GraphBuilder, mask: Value, dy: Value): Value {
  return graph.add('Where', [mask, zero(graph), dy]);
}

/** Zeros in the shape of a value, also where that shape is only known at run time. */
export function zerosLike(graph: GraphBuilder, x: Value): Value {
  const sizes = x.shape.filter((dim) => typeof dim === 'number');
  if (sizes.length === x.shape.length) {
    return graph.add('Expand', [zero(graph), graph.integers('shape', sizes)]);
  }
  return where(graph, graph.add('Less', [x, x]), x);
}

/** An axis counted from 0. */
export function positiveAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** The size of a value along an axis, which the graph must know. Throws GRADIENT_MISSING. */
export function knownSize(node: Node, value: Value, axis: number): number {
  const size = value.shape[axis];
  if (typeof size === 'number') return size;
  throw unsupportedForm(node, `along axis ${axis}, whose size is only known at run time,`);
}

/** The fault of a form of an operator for which the table's rule does not hold. */
export function unsupportedForm(node: Node, form: string): ToolkitError {
  return new ToolkitError('GRADIENT_MISSING', `No gradient is known for ${node.op} ${form}`, {
    where: { node: node.name },
    hint: 'Freeze the layers up to and including this node.',
  });
}
