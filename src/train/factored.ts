import type { GraphBuilder, Node } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';
import { productColumns, productRows } from './fused/product.ts';

/** Names of the factors of a gradient xᵀ · dy, ordered for `product`: x [rows / 4, n, 4], dy [columns / 8, n, 8]. */
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
  if (!isLarge(rows, columns)) return undefined;
  const at = graph.nodes.findIndex(({ outputs }) => outputs[0].name === gradient.name);
  const node = graph.nodes[at];
  if (!node || !isProduct(node)) return undefined;
  const isUsed = graph.nodes.some(({ inputs }) => inputs.some((x) => x?.name === gradient.name));
  if (isUsed) return undefined;
  graph.nodes.splice(at, 1);
  const [x, dy] = node.inputs;
  return {
    x: putPanels(graph, x, [rows, productRows]),
    dy: putPanels(graph, dy, [columns, productColumns]),
    rows,
    columns,
  };
}

/** Whether rows and columns are those of a kernel whose gradient is worth being kept as its factors, and can be. */
function isLarge(rows: number, columns: number): boolean {
  return (
    rows * columns >= largeKernel && rows % productRows === 0 && columns % productColumns === 0
  );
}

/** Whether `takeFactors` will find the gradient of a weight to be such a product, seen before there is a gradient. */
export function willHaveFactors(graph: GraphBuilder, weight: string): boolean {
  const [rows = 0, columns = 0, ...more] = graph.initializers.get(weight)?.shape ?? [];
  if (more.length > 0 || !isLarge(rows, columns)) return false;
  const users = graph.nodes.filter(({ inputs }) => inputs.some((x) => x?.name === weight));
  const [only] = users;
  return only !== undefined && users.length === 1 && isPlainKernel(only, weight);
}

/** Whether a node computes x · weight, and no more than a bias is added. */
function isPlainKernel(node: Node, weight: string): boolean {
  if (!isGemm(node) || node.inputs[1].name !== weight) return false;
  const { transA = 0, transB = 0, alpha = 1 } = node.attributes;
  return transA === 0 && transB === 0 && alpha === 1;
}

/** x [n, columns] as [columns / width, n, width]. */
function putPanels(
  graph: GraphBuilder,
  x: Value,
  [columns, width]: readonly [number, number],
): string {
  const split = graph.integers('panels', [0, columns / width, width]);
  const panels = graph.add('Transpose', [graph.add('Reshape', [x, split])], { perm: [1, 0, 2] });
  graph.output(panels);
  return panels.name;
}

function isProduct(node: Node): node is Node<'Gemm'> {
  if (!isGemm(node) || node.inputs[2]) return false;
  const { transA = 0, transB = 0, alpha = 1 } = node.attributes;
  return transA === 1 && transB === 0 && alpha === 1;
}

function isGemm(node: Node): node is Node<'Gemm'> {
  return node.op === 'Gemm';
}
