import type { GraphBuilder } from '../../src/onnx/graph.ts';
import type { Value } from '../../src/tensor.ts';
import { binary, type Case, type Cases, open, positive, unary, x } from './cases.ts';
import type { DifferenceCase } from './difference.ts';

const gemm = (
  shapes: readonly (readonly number[])[],
  attributes: { transA?: 0 | 1; transB?: 0 | 1; alpha?: number; beta?: number },
): Case => [
  JSON.stringify(attributes),
  shapes.map((shape, i) => x(shape, i)),
  (graph, [a, b, c]) => graph.add('Gemm', shapes.length === 3 ? [a, b, c] : [a, b], attributes),
];

const matmul = (a: readonly number[], b: readonly number[]): Case => [
  `[${a}] · [${b}]`,
  [x(a), x(b, 1)],
  binary('MatMul'),
];

const conv = (
  [shape, kernel]: readonly [readonly number[], readonly number[]],
  {
    stride = 1,
    dilation = 1,
    pads = [0, 0, 0, 0],
  }: {
    stride?: number;
    dilation?: number;
    pads?: readonly number[];
  },
): Case => [
  `stride ${stride}, dilation ${dilation}, pads ${pads}`,
  [x(shape), x(kernel, 1), x([kernel[0] ?? 1], 2)],
  (graph, [a, w, b]) =>
    graph.add('Conv', [a, w, b], {
      kernel_shape: kernel.slice(2),
      strides: [stride, stride],
      dilations: [dilation, dilation],
      pads,
      group: 1,
    }),
];

const ints = (graph: GraphBuilder, list: readonly number[]): Value => graph.integers('list', list);

const slice =
  (
    starts: readonly number[],
    ends: readonly number[],
    axes: readonly number[],
    steps?: readonly number[],
  ): DifferenceCase['emit'] =>
  (graph, [a]) => {
    const range = [ints(graph, starts), ints(graph, ends), ints(graph, axes)] as const;
    return graph.add('Slice', steps ? [a, ...range, ints(graph, steps)] : [a, ...range]);
  };

/** Operators that mix or move numbers. */
export const tensorCases: Cases = {
  MatMul: [
    matmul([2, 3], [3, 4]),
    matmul([2, 2, 3], [3, 4]),
    matmul([2, 2, 3], [2, 3, 2]),
    matmul([2, 1, 2, 3], [2, 3, 2]),
    matmul([3], [3, 4]),
    matmul([2, 3], [3]),
    matmul([2, 2, 3], [3]),
    matmul([3], [2, 3, 2]),
    ['rows whose number is not known', [open([2, 3], { 0: 'n' }), x([3, 2], 1)], binary('MatMul')],
  ],
  Gemm: [
    gemm([[2, 3], [3, 4], [4]], {}),
    gemm(
      [
        [2, 3],
        [3, 4],
        [2, 1],
      ],
      { alpha: 0.5, beta: 2 },
    ),
    gemm(
      [
        [2, 3],
        [4, 3],
      ],
      { transB: 1 },
    ),
    gemm([[3, 2], [3, 4], [4]], { transA: 1 }),
    gemm(
      [
        [3, 2],
        [4, 3],
        [2, 4],
      ],
      { transA: 1, transB: 1, alpha: 3 },
    ),
  ],
  Reshape: [
    ['', [x([2, 6])], (graph, [a]) => graph.add('Reshape', [a, ints(graph, [3, -1])])],
    [
      'of rows whose number is not known',
      [open([2, 6], { 0: 'n' })],
      (graph, [a]) => graph.add('Reshape', [a, ints(graph, [0, 2, 3])]),
    ],
  ],
  Flatten: [
    [
      'of rows whose number is not known',
      [open([2, 2, 3], { 0: 'n' })],
      (graph, [a]) => graph.add('Flatten', [a], { axis: 1 }),
    ],
  ],
  Unsqueeze: [['', [x([2, 3])], (graph, [a]) => graph.add('Unsqueeze', [a, ints(graph, [1])])]],
  Squeeze: [['', [x([2, 1, 3])], (graph, [a]) => graph.add('Squeeze', [a, ints(graph, [1])])]],
  Transpose: [
    ['', [x([2, 3, 4])], (graph, [a]) => graph.add('Transpose', [a], { perm: [2, 0, 1] })],
  ],
  Expand: [['', [x([2, 1])], (graph, [a]) => graph.add('Expand', [a, ints(graph, [3, 2, 4])])]],
  Concat: [
    [
      'along an inner axis',
      [x([2, 1, 2]), x([2, 3, 2], 1), x([2, 2, 2], 2)],
      (graph, [a, b, c]) => graph.add('Concat', [a, b, c], { axis: 1 }),
    ],
    [
      'along the last axis, with rows whose number is not known',
      [open([2, 3], { 0: 'n' }), open([2, 1], { 0: 'n' })],
      (graph, [a, b]) => graph.add('Concat', [a, b], { axis: -1 }),
    ],
  ],
  Slice: [
    ['two axes', [x([4, 5])], slice([1, -3], [3, 5], [0, 1])],
    ['past the end', [x([4, 5])], slice([2], [99], [0])],
    ['backwards', [x([4, 5])], slice([-1, 3], [-99, 0], [0, 1], [-1, -1])],
  ],
  Pad: [
    [
      'wider and narrower',
      [x([3, 4])],
      (graph, [a]) => graph.add('Pad', [a, ints(graph, [1, -1, 2, 0])], { mode: 'constant' }),
    ],
  ],
  Gather: [
    [
      'rows, one of them twice and one from the end',
      [x([4, 3])],
      (graph, [a]) =>
        graph.add('Gather', [a, graph.integers('rows', [2, 0, 2, -1], [2, 2])], {
          axis: 0,
        }),
    ],
  ],
  ReduceSum: [
    [
      'kept',
      [x([2, 3, 2])],
      (graph, [a]) => graph.add('ReduceSum', [a, ints(graph, [0, 2])], { keepdims: 1 }),
    ],
    [
      'dropped',
      [x([2, 3, 2])],
      (graph, [a]) => graph.add('ReduceSum', [a, ints(graph, [-1])], { keepdims: 0 }),
    ],
    [
      'over rows whose number is not known',
      [open([4, 3], { 0: 'n' })],
      (graph, [a]) => graph.add('ReduceSum', [a, ints(graph, [0])], { keepdims: 0 }),
    ],
  ],
  ReduceMean: [
    [
      'kept',
      [x([2, 3, 2])],
      (graph, [a]) => graph.add('ReduceMean', [a], { axes: [1], keepdims: 1 }),
    ],
    [
      'over rows whose number is not known',
      [open([4, 3], { 0: 'n' })],
      (graph, [a]) => graph.add('ReduceMean', [a], { axes: [0, 1], keepdims: 0 }),
    ],
  ],
  ReduceMax: [
    ['kept', [x([3, 4])], (graph, [a]) => graph.add('ReduceMax', [a], { axes: [-1], keepdims: 1 })],
    [
      'dropped',
      [x([3, 4])],
      (graph, [a]) => graph.add('ReduceMax', [a], { axes: [0], keepdims: 0 }),
    ],
  ],
  GlobalAveragePool: unary('GlobalAveragePool', x([2, 3, 2, 3])),
  GlobalMaxPool: unary('GlobalMaxPool', x([2, 3, 2, 3])),
  Conv: [
    conv(
      [
        [2, 2, 4, 5],
        [3, 2, 3, 3],
      ],
      { pads: [1, 1, 1, 1] },
    ),
    conv(
      [
        [1, 2, 6, 5],
        [2, 2, 3, 2],
      ],
      { stride: 2, pads: [1, 0, 0, 1] },
    ),
    conv(
      [
        [1, 1, 7, 6],
        [2, 1, 2, 2],
      ],
      { dilation: 2, stride: 3 },
    ),
  ],
  BatchNormalization: [
    [
      'with frozen statistics',
      [
        x([2, 3, 2, 2]),
        x([3], 1),
        x([3], 2),
        { ...x([3], 4), isFixed: true },
        { ...positive([3], 5), isFixed: true },
      ],
      (graph, [a, scale, bias, mean, variance]) =>
        graph.add('BatchNormalization', [a, scale, bias, mean, variance], { epsilon: 1e-3 }),
    ],
  ],
};
