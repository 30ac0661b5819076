import { GraphBuilder, type Node } from '../onnx/graph.ts';
import { encodeModel } from '../onnx/write.ts';
import { openSession, type Session, type SessionOptions, type Tensor } from '../runtime/session.ts';
import { sizeOf, type Value } from '../tensor.ts';

/** The two matrices of which a kernel's gradient is the product xᵀ · dy: x [n, rows], dy [n, columns]. */
export interface GradientFactors {
  readonly x: string;
  readonly dy: string;
  readonly rows: number;
  readonly columns: number;
}

/** Kernels from so many numbers on get their gradient piece by piece. */
const largeKernel = 4 * 2 ** 20;
/** Numbers a piece: 16 MiB, so that it is updated while it is still in the processor's cache. */
const pieceSize = 4 * 2 ** 20;

/**
 * The factors of a large gradient that is the last node's product; the node is taken out of the graph, whose outputs
 * they become.
 *
 * The gradient of a dense layer of 25,088 × 4,096 is 411 MB, made of two matrices of a batch's rows: onnxruntime would
 * put it out twice, once in its own memory and once in ours, which takes longer than computing it.
 */
export function takeFactors(graph: GraphBuilder, gradient: Value): GradientFactors | undefined {
  const [rows, columns] = gradient.shape;
  if (typeof rows !== 'number' || typeof columns !== 'number') return undefined;
  const at = graph.nodes.findIndex(({ outputs }) => outputs[0].name === gradient.name);
  const node = graph.nodes[at];
  if (!node || rows * columns < largeKernel || !isProduct(node)) return undefined;
  const isUsed = graph.nodes.some(({ inputs }) => inputs.some((x) => x?.name === gradient.name));
  if (isUsed) return undefined;
  graph.nodes.splice(at, 1);
  const [x, dy] = [node.inputs[0], node.inputs[1]].map((value) => {
    const named = value && graph.add('Identity', [value]);
    if (named) graph.output(named);
    return named?.name ?? '';
  });
  return { x: x ?? '', dy: dy ?? '', rows, columns };
}

function isProduct(node: Node): boolean {
  if (!isGemm(node) || node.inputs[2]) return false;
  const { transA = 0, transB = 0, alpha = 1 } = node.attributes;
  return transA === 1 && transB === 0 && alpha === 1;
}

function isGemm(node: Node): node is Node<'Gemm'> {
  return node.op === 'Gemm';
}

/** Computes gradients from their factors, some rows at a time. Whoever opens it closes it. */
export class OuterGradient {
  readonly #session: Session;

  private constructor(session: Session) {
    this.#session = session;
  }

  static async open(options: Pick<SessionOptions, 'threads'>): Promise<OuterGradient> {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', ['n', 'rows']);
    const dy = graph.input('dy', 'float32', ['n', 'columns']);
    graph.output(graph.add('Gemm', [x, dy], { transA: 1 }));
    return new OuterGradient(await openSession(encodeModel(graph, { name: 'outer' }), options));
  }

  /** The gradient piece by piece, each with the place of its first number. */
  async *pieces(
    { rows, columns, ...names }: GradientFactors,
    results: Readonly<Record<string, Tensor>>,
  ): AsyncIterable<{ readonly from: number; readonly gradient: Float32Array }> {
    const [x, dy] = [results[names.x], results[names.dy]];
    if (!(x?.data instanceof Float32Array) || !dy) throw new Error('Bug: factors were not put out');
    const step = Math.max(1, Math.floor(pieceSize / columns));
    for (let row = 0; row < rows; row += step) {
      const part = columnsOf(x.data, { width: rows, from: row, to: Math.min(rows, row + step) });
      const found = await this.#session.run({ x: part, dy });
      const gradient = Object.values(found)[0]?.data;
      if (!(gradient instanceof Float32Array)) throw new Error('Bug: a product is float32');
      yield { from: row * columns, gradient };
    }
  }

  /** Frees the graph. */
  async close(): Promise<void> {
    await this.#session.close();
  }
}

function columnsOf(
  numbers: Float32Array,
  { width, from, to }: { readonly width: number; readonly from: number; readonly to: number },
): Tensor {
  const shape = [numbers.length / width, to - from];
  const data = new Float32Array(sizeOf(shape));
  for (let row = 0; row * width < numbers.length; row++) {
    data.set(numbers.subarray(row * width + from, row * width + to), row * (to - from));
  }
  return { dtype: 'float32', shape, data };
}
