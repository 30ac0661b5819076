import type { GraphBuilder } from '../../src/onnx/graph.ts';
import type { Value } from '../../src/tensor.ts';
import { type Case, type Cases, positive, x } from './cases.ts';
import type { Input } from './difference.ts';

type Smooth = 'Reciprocal' | 'Sin' | 'Cos' | 'Tan' | 'Atan' | 'Sinh' | 'Cosh' | 'Asinh';
type Bounded = 'Asin' | 'Acos' | 'Atanh' | 'Acosh';

/** Numbers between two bounds, evenly apart. */
const between = (low: number, high: number, shape: readonly number[]): Input => {
  const { numbers } = x(shape);
  const count = numbers.length;
  const order = [...numbers].map((_, i) => (i * 7) % count);
  return {
    shape,
    numbers: Float32Array.from(order, (i) => low + ((high - low) * (i + 0.5)) / count),
  };
};

const unary = (op: Smooth | Bounded, input: Input): Case[] => [
  ['', [input], (graph, [a]) => graph.add(op, [a])],
];

const ints = (graph: GraphBuilder, list: readonly number[], shape = [list.length]): Value =>
  graph.integers('list', list, shape);

const axes = { axes: [0, 2], keepdims: 0 } as const;

/** Operators of larger networks than image classifiers of the plain kind. */
export const moreCases: Cases = {
  Reciprocal: unary('Reciprocal', positive([3, 4])),
  Sin: unary('Sin', x([3, 4])),
  Cos: unary('Cos', x([3, 4])),
  Tan: unary('Tan', between(-1, 1, [3, 4])),
  Asin: unary('Asin', between(-0.8, 0.8, [3, 4])),
  Acos: unary('Acos', between(-0.8, 0.8, [3, 4])),
  Atan: unary('Atan', x([3, 4])),
  Sinh: unary('Sinh', x([3, 4])),
  Cosh: unary('Cosh', x([3, 4])),
  Asinh: unary('Asinh', x([3, 4])),
  Acosh: unary('Acosh', between(1.5, 3, [3, 4])),
  Atanh: unary('Atanh', between(-0.8, 0.8, [3, 4])),
  Mod: [
    [
      'of C',
      [between(1.1, 1.9, [2, 3]), between(0.6, 0.7, [2, 3])],
      (graph, [a, b]) => graph.add('Mod', [a, b], { fmod: 1 }),
    ],
  ],
  ConvTranspose: [
    [
      'stride 2 with pads',
      [x([2, 3, 3, 4]), x([3, 2, 3, 3], 1), x([2], 2)],
      (graph, [a, w, b]) =>
        graph.add('ConvTranspose', [a, w, b], {
          kernel_shape: [3, 3],
          strides: [2, 2],
          pads: [1, 1, 1, 1],
          dilations: [1, 1],
          group: 1,
          output_padding: [1, 1],
        }),
    ],
  ],
  MaxPool: [
    [
      'side by side',
      [x([1, 2, 5, 4])],
      (graph, [a]) =>
        graph.add('MaxPool', [a], { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] }),
    ],
    [
      'overlapping, with pads',
      [x([1, 2, 5, 4])],
      (graph, [a]) =>
        graph.add('MaxPool', [a], { kernel_shape: [3, 3], strides: [2, 1], pads: [1, 1, 1, 1] }),
    ],
  ],
  AveragePool: ([0, 1] as const).map((count_include_pad) => [
    `pads counted: ${count_include_pad}`,
    [x([1, 2, 5, 4])],
    (graph, [a]) =>
      graph.add('AveragePool', [a], {
        kernel_shape: [3, 3],
        strides: [2, 1],
        pads: [1, 1, 1, 1],
        count_include_pad,
      }),
  ]),
  LayerNormalization: [
    [
      'the last axis',
      [x([2, 3, 4]), x([4], 1), x([4], 2)],
      (graph, [a, scale, bias]) =>
        graph.add('LayerNormalization', [a, scale, bias], { axis: -1, epsilon: 0.1 }),
    ],
    [
      'without a bias',
      [x([2, 3, 4]), x([4], 1)],
      (graph, [a, scale]) => graph.add('LayerNormalization', [a, scale], { axis: 2, epsilon: 0.1 }),
    ],
  ],
  InstanceNormalization: [
    [
      '',
      [x([2, 2, 3, 2]), x([2], 1), x([2], 2)],
      (graph, [a, scale, bias]) =>
        graph.add('InstanceNormalization', [a, scale, bias], { epsilon: 0.1 }),
    ],
  ],
  Einsum: [
    [
      'scores of attention',
      [x([2, 2, 2, 3]), x([2, 3, 2, 3], 1)],
      (graph, [a, b]) => graph.add('Einsum', [a, b], { equation: 'bqhd,bkhd->bhqk' }),
    ],
  ],
  Split: [
    [
      'one part of two',
      [x([2, 5])],
      (graph, [a]) => graph.addAll('Split', [a, ints(graph, [2, 3])], { axis: 1 })[1] ?? a,
    ],
  ],
  Tile: [['', [x([2, 3])], (graph, [a]) => graph.add('Tile', [a, ints(graph, [2, 3])])]],
  CumSum: [
    [
      'exclusive',
      [x([2, 4])],
      (graph, [a]) => graph.add('CumSum', [a, ints(graph, [1], [])], { exclusive: 1, reverse: 0 }),
    ],
  ],
  Trilu: [['lower', [x([3, 3])], (graph, [a]) => graph.add('Trilu', [a], { upper: 0 })]],
  SpaceToDepth: [
    ['', [x([1, 2, 4, 2])], (graph, [a]) => graph.add('SpaceToDepth', [a], { blocksize: 2 })],
  ],
  DepthToSpace: (['DCR', 'CRD'] as const).map((mode) => [
    mode,
    [x([1, 8, 2, 1])],
    (graph, [a]) => graph.add('DepthToSpace', [a], { blocksize: 2, mode }),
  ]),
  GatherElements: [
    [
      'the same one twice',
      [x([2, 4])],
      (graph, [a]) =>
        graph.add('GatherElements', [a, ints(graph, [0, 3, 3, 1, -1, 2], [2, 3])], { axis: 1 }),
    ],
  ],
  TopK: [
    [
      '',
      [x([3, 5])],
      (graph, [a]) => graph.add('TopK', [a, ints(graph, [2])], { axis: -1, largest: 1, sorted: 1 }),
    ],
  ],
  Resize: [
    [
      'nearest, twice and thrice',
      [x([1, 2, 2, 3])],
      (graph, [a]) =>
        graph.add('Resize', [a, undefined, graph.floats('scales', [1, 1, 2, 3], [4])], {
          mode: 'nearest',
          coordinate_transformation_mode: 'asymmetric',
          nearest_mode: 'floor',
        }),
    ],
    ...(['half_pixel', 'asymmetric', 'align_corners'] as const).map(
      (coordinate_transformation_mode): Case => [
        `linear, ${coordinate_transformation_mode}`,
        [x([1, 2, 2, 3])],
        (graph, [a]) =>
          graph.add('Resize', [a, undefined, graph.floats('scales', [1, 1, 2, 3], [4])], {
            mode: 'linear',
            coordinate_transformation_mode,
          }),
      ],
    ),
    ...([0, 1] as const).flatMap((exclude_outside) =>
      [
        { scale: 2, cubic_coeff_a: -0.5 },
        { scale: 0.6, cubic_coeff_a: undefined },
      ].map(
        ({ scale, cubic_coeff_a }): Case => [
          `cubic, times ${scale}${exclude_outside === 1 ? ', nothing outside' : ''}`,
          [x([1, 2, 5, 5])],
          (graph, [a]) =>
            graph.add('Resize', [a, undefined, graph.floats('scales', [1, 1, scale, scale], [4])], {
              mode: 'cubic',
              coordinate_transformation_mode: 'half_pixel',
              exclude_outside,
              ...(cubic_coeff_a !== undefined && { cubic_coeff_a }),
            }),
        ],
      ),
    ),
  ],
  ReduceProd: [
    ['', [x([2, 3, 2])], (graph, [a]) => graph.add('ReduceProd', [a], axes)],
    [
      'one 0 along one axis, two along another',
      [{ shape: [3, 3], numbers: Float32Array.of(0.5, 0, -0.7, 0, 0.9, 0, 1.1, -0.4, 0.6) }],
      (graph, [a]) => graph.add('ReduceProd', [a], { axes: [1], keepdims: 1 }),
    ],
  ],
  ReduceMin: [['', [x([2, 3, 2])], (graph, [a]) => graph.add('ReduceMin', [a], axes)]],
  ReduceL2: [['', [x([2, 3, 2])], (graph, [a]) => graph.add('ReduceL2', [a], axes)]],
  ReduceLogSumExp: [['', [x([2, 3, 2])], (graph, [a]) => graph.add('ReduceLogSumExp', [a], axes)]],
};
