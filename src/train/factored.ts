import type { GraphBuilder, Node } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';

/** Names of the two values of which a gradient is the product xᵀ · dy: x [n, rows], dy [n, columns]. */
export interface FactorNames {
  readonly x: string;
  readonly dy: string;
  readonly rows: number;
  readonly columns: number;
}

/** Kernels from so many numbers on have their gradient kept as its factors. */
const largeKernel = 2 ** 22;

/**
 * Puts out the factors of a large gradient instead of the gradient, whose node is taken out; `undefined` where it is no
 * such product.
 *
 * The gradient of a dense layer of 25,088 × 4,096 is 411 MB, made of two matrices of a batch's rows.
 */
export function takeFactors(graph: GraphBuilder, gradient: Value): FactorNames | undefined {
  const [rows, columns] = gradient.shape;
  if (typeof rows !== 'number' || typeof columns !== 'number') return undefined;
  const at = graph.nodes.findIndex(({ outputs }) => outputs[0].name === gradient.name);
  const node = graph.nodes[at];
  if (!node || rows * columns < largeKernel || !isProduct(node)) return undefined;
  const isUsed = graph.nodes.some(({ inputs }) => inputs.some((x) => x?.name === gradient.name));
  if (isUsed) return undefined;
  graph.nodes.splice(at, 1);
  const put = (value: Value): string => {
    const named = graph.add('Identity', [value]);
    graph.output(named);
    return named.name;
  };
  return { x: put(node.inputs[0]), dy: put(node.inputs[1]), rows, columns };
}

function isProduct(node: Node): node is Node<'Gemm'> {
  if (!isGemm(node) || node.inputs[2]) return false;
  const { transA = 0, transB = 0, alpha = 1 } = node.attributes;
  return transA === 1 && transB === 0 && alpha === 1;
}

function isGemm(node: Node): node is Node<'Gemm'> {
  return node.op === 'Gemm';
}
