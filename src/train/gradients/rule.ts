import { ToolkitError } from '../../errors.ts';
import type { GraphBuilder, Node } from '../../onnx/graph.ts';
import type { OpType, PerInput } from '../../onnx/ops.ts';
import type { Value } from '../../tensor.ts';

/**
 * The gradient of an operator: from dy, the gradient of the loss by the output, to one gradient for each input.
 *
 * `undefined` says that no gradient flows there. A gradient may have the broadcast shape: `backward` sums it back.
 * Nodes that turn out not to be needed are dropped by `backward`, so a rule always answers for every input.
 */
export type GradientRule<O extends OpType> = (
  node: Node<O>,
  dy: Value,
  graph: GraphBuilder,
) => PerInput<O, Value | undefined>;

/** Some rows of the table of gradients. */
export type GradientRules = { readonly [O in OpType]?: GradientRule<O> };

/** The float32 scalar 0, which fills what a mask leaves out. */
export function zero(graph: GraphBuilder): Value {
  return graph.floats('zero', [0]);
}

/** dy where the mask holds, 0 elsewhere: unlike a product it stays 0 where dy is infinite. */
export function where(graph: GraphBuilder, mask: Value, dy: Value): Value {
  return graph.add('Where', [mask, dy, zero(graph)]);
}

/** dy where the mask does not hold, 0 elsewhere. */
export function whereNot(graph: GraphBuilder, mask: Value, dy: Value): Value {
  return graph.add('Where', [mask, zero(graph), dy]);
}

/** The fault of a form of an operator for which the table's rule does not hold. */
export function unsupportedForm(node: Node, form: string): ToolkitError {
  return new ToolkitError('GRADIENT_MISSING', `No gradient is known for ${node.op} ${form}`, {
    where: { node: node.name },
    hint: 'Freeze the layers up to and including this node.',
  });
}
