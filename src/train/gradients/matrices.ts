import type { GraphBuilder, Node } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import type { GradientRules } from './rule.ts';

/** Gradients of the matrix products. */
export const matrices = {
  MatMul: ({ inputs: [a, b] }, dy, graph) => {
    if (a.shape.length === 2 && b.shape.length === 2) {
      return [graph.add('Gemm', [dy, b], { transB: 1 }), graph.add('Gemm', [a, dy], { transA: 1 })];
    }
    return batchedProduct(graph, a, b, dy);
  },
  // The four cases of onnxruntime's GetGemmGradient; dC is summed back by `backward`.
  Gemm: (node, dy, graph) => {
    const [, , c] = node.inputs;
    const { alpha = 1, beta = 1 } = node.attributes;
    const [da, db] = gemmProducts(node, dy, graph);
    return [scaled(graph, da, alpha), scaled(graph, db, alpha), c && scaled(graph, dy, beta)];
  },
} satisfies GradientRules;

function gemmProducts(
  { inputs: [a, b], attributes }: Node<'Gemm'>,
  dy: Value,
  graph: GraphBuilder,
): [Value, Value] {
  const transA = attributes.transA ?? 0;
  const transB = attributes.transB ?? 0;
  const flipA = transA === 0 ? 1 : 0;
  const flipB = transB === 0 ? 1 : 0;
  return [
    transA === 0
      ? graph.add('Gemm', [dy, b], { transB: flipB })
      : graph.add('Gemm', [b, dy], { transA: transB, transB: 1 }),
    transB === 0
      ? graph.add('Gemm', [a, dy], { transA: flipA })
      : graph.add('Gemm', [dy, a], { transA: 1, transB: transA }),
  ];
}

function scaled(graph: GraphBuilder, x: Value, factor: number): Value {
  return factor === 1 ? x : graph.add('Mul', [x, graph.floats('factor', [factor])]);
}

/** Products with leading axes; a vector counts as a matrix of one row (left) or of one column (right). */
function batchedProduct(graph: GraphBuilder, a: Value, b: Value, dy: Value): [Value, Value] {
  const rowA = a.shape.length === 1;
  const columnB = b.shape.length === 1;
  const left = rowA ? unsqueezed(graph, a, 0) : a;
  const right = columnB ? unsqueezed(graph, b, 1) : b;
  let grown = columnB ? unsqueezed(graph, dy, dy.shape.length) : dy;
  if (rowA) grown = unsqueezed(graph, grown, grown.shape.length - 1);
  const da = graph.add('MatMul', [grown, swapped(graph, right)]);
  const db = rightGradient(graph, left, right, grown);
  return [rowA ? dropped(graph, da, -2) : da, columnB ? dropped(graph, db, -1) : db];
}

/** For a right side without leading axes all rows are summed in one product instead of one for each batch. */
function rightGradient(graph: GraphBuilder, left: Value, right: Value, dy: Value): Value {
  if (right.shape.length > 2) return graph.add('MatMul', [swapped(graph, left), dy]);
  return graph.add('Gemm', [rows(graph, left), rows(graph, dy)], { transA: 1 });
}

function rows(graph: GraphBuilder, x: Value): Value {
  return x.shape.length === 2 ? x : graph.add('Flatten', [x], { axis: x.shape.length - 1 });
}

function swapped(graph: GraphBuilder, x: Value): Value {
  const rank = x.shape.length;
  const perm = x.shape.map((_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
  return graph.add('Transpose', [x], { perm });
}

function unsqueezed(graph: GraphBuilder, x: Value, axis: number): Value {
  return graph.add('Unsqueeze', [x, graph.integers('axes', [axis])]);
}

function dropped(graph: GraphBuilder, x: Value, axis: number): Value {
  return graph.add('Squeeze', [x, graph.integers('axes', [axis])]);
}
