/* oxlint-disable eslint/max-lines -- one table of everything of its kind */
import { InputPlace } from '../../../src/keras/model.ts';

/** Stands for the input among the arguments of a call. */
const x = new InputPlace(0);
/** The numbers that operations are tried on, where nothing else is said. */
export const row = [-2, -0.5, 1, 8];

/** How an operation is called: what it is given, and what it was made with. */
export interface Call {
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly config?: Readonly<Record<string, unknown>>;
}

export const erf = (z: number): number => {
  // Its series about 0, which converges everywhere.
  let term = z;
  let sum = z;
  for (let n = 1; n < 200; n++) {
    term *= (-z * z) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
};
export const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
const bounded = (z: number, low: number, high: number): number => Math.min(Math.max(z, low), high);

/** Operations on each number: by a formula. */
export const unary: Readonly<
  Record<string, { of: (z: number) => number; numbers?: readonly number[] }>
> = {
  absolute: { of: Math.abs },
  negative: { of: (z) => -z },
  sign: { of: Math.sign },
  floor: { of: Math.floor },
  ceil: { of: Math.ceil },
  // Halves go to the even neighbour.
  round: { of: (z) => (z === 0.5 ? 0 : Math.round(z)), numbers: [-1.2, 0.5, 1.5, 2.6] },
  reciprocal: { of: (z) => 1 / z },
  exp: { of: Math.exp },
  expm1: { of: Math.expm1 },
  log: { of: Math.log, numbers: [0.5, 1, 8] },
  log1p: { of: Math.log1p, numbers: [0.5, 1, 8] },
  sqrt: { of: Math.sqrt, numbers: [0.5, 1, 9] },
  rsqrt: { of: (z) => 1 / Math.sqrt(z), numbers: [0.25, 1, 9] },
  square: { of: (z) => z * z },
  erf: { of: erf, numbers: [-2, -0.5, 1] },
  sin: { of: Math.sin },
  cos: { of: Math.cos },
  tan: { of: Math.tan },
  arcsin: { of: Math.asin, numbers: [-0.5, 0.25] },
  arccos: { of: Math.acos, numbers: [-0.5, 0.25] },
  arctan: { of: Math.atan },
  sinh: { of: Math.sinh },
  cosh: { of: Math.cosh },
  arcsinh: { of: Math.asinh },
  arccosh: { of: Math.acosh, numbers: [1.5, 8] },
  arctanh: { of: Math.atanh, numbers: [-0.5, 0.25] },
  tanh: { of: Math.tanh },
  relu: { of: (z) => Math.max(z, 0) },
  relu6: { of: (z) => bounded(z, 0, 6) },
  sigmoid: { of: sigmoid },
  softplus: { of: (z) => Math.log1p(Math.exp(z)) },
  softsign: { of: (z) => z / (1 + Math.abs(z)) },
  silu: { of: (z) => z * sigmoid(z) },
  selu: {
    of: (z) => 1.0507009873554805 * (z > 0 ? z : 1.6732632423543772 * Math.expm1(z)),
  },
  elu: { of: (z) => (z > 0 ? z : Math.expm1(z)) },
  celu: { of: (z) => (z > 0 ? z : Math.expm1(z)) },
  log_sigmoid: { of: (z) => Math.log(sigmoid(z)) },
  hard_sigmoid: { of: (z) => bounded(z / 6 + 0.5, 0, 1) },
  hard_silu: { of: (z) => z * bounded(z / 6 + 0.5, 0, 1) },
  hard_tanh: { of: (z) => bounded(z, -1, 1) },
  tanh_shrink: { of: (z) => z - Math.tanh(z) },
  squareplus: { of: (z) => (z + Math.sqrt(z * z + 4)) / 2 },
  sparse_plus: { of: (z) => (z <= -1 ? 0 : z < 1 ? (z + 1) ** 2 / 4 : z) },
  sparse_sigmoid: { of: (z) => bounded((z + 1) / 2, 0, 1) },
  // Keras 3 approximates unless told otherwise.
  gelu: {
    of: (z) => 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3))),
  },
  leaky_relu: { of: (z) => (z > 0 ? z : 0.2 * z) },
  identity: { of: (z) => z },
  isnan: { of: (z) => Number(Number.isNaN(z)), numbers: [1, Number.NaN] },
  deg2rad: { of: (z) => (z * Math.PI) / 180 },
  rad2deg: { of: (z) => (z * 180) / Math.PI },
  log2: { of: Math.log2, numbers: [0.5, 1, 8] },
  log10: { of: Math.log10, numbers: [0.5, 1, 10] },
  exp2: { of: (z) => 2 ** z },
  cbrt: { of: Math.cbrt },
  trunc: { of: Math.trunc },
  sinc: { of: (z) => Math.sin(Math.PI * z) / (Math.PI * z), numbers: [-0.5, 0.25, 1.5] },
  isfinite: { of: (z) => Number(Number.isFinite(z)), numbers: [1, Number.NaN, -Infinity] },
  isinf: { of: (z) => Number(Math.abs(z) === Infinity), numbers: [1, Number.NaN, -Infinity] },
  signbit: { of: (z) => Number(z < 0) },
  nan_to_num: { of: (z) => (Number.isNaN(z) ? 0 : z), numbers: [1, Number.NaN, -2] },
  soft_shrink: { of: (z) => z - bounded(z, -0.5, 0.5) },
  hard_shrink: { of: (z) => (Math.abs(z) > 0.5 ? z : 0) },
  zeros_like: { of: () => 0 },
  ones_like: { of: () => 1 },
};

/** Operations on two numbers: by a formula. */
export const binary: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
  power: (a, b) => a ** b,
  floor_divide: (a, b) => Math.floor(a / b),
  mod: (a, b) => ((a % b) + b) % b,
  squared_difference: (a, b) => (a - b) ** 2,
  arctan2: Math.atan2,
  hypot: Math.hypot,
  logaddexp: (a, b) => Math.log(Math.exp(a) + Math.exp(b)),
  divide_no_nan: (a, b) => a / b,
  equal: (a, b) => Number(a === b),
  not_equal: (a, b) => Number(a !== b),
  less: (a, b) => Number(a < b),
  less_equal: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  greater_equal: (a, b) => Number(a >= b),
};

const slice = (start: number | null, stop: number | null, step: number | null = null) => ({
  class_name: '__slice__',
  config: { start, stop, step },
});

/** Other operations, of [[1, 2, 3], [4, 5, 6]] in a batch of one. */
export const others: Readonly<
  Record<string, { call: Call; gives: readonly number[]; shape: readonly number[] }>
> = {
  mean: { call: { config: { axis: 1, keepdims: true } }, gives: [2.5, 3.5, 4.5], shape: [1, 1, 3] },
  max: { call: { config: { axis: -1, initial: null } }, gives: [3, 6], shape: [1, 2] },
  min: { call: { config: { axis: -1 } }, gives: [1, 4], shape: [1, 2] },
  prod: { call: { config: { axis: 1 } }, gives: [4, 10, 18], shape: [1, 3] },
  sum: { call: { config: { axis: [1, 2] } }, gives: [21], shape: [1] },
  var: { call: { config: { axis: -1 } }, gives: [2 / 3, 2 / 3], shape: [1, 2] },
  std: {
    call: { config: { axis: -1 } },
    gives: [Math.sqrt(2 / 3), Math.sqrt(2 / 3)],
    shape: [1, 2],
  },
  logsumexp: {
    call: { config: { axis: 1 } },
    gives: [1, 2, 3].map((n) => Math.log(Math.exp(n) + Math.exp(n + 3))),
    shape: [1, 3],
  },
  norm: {
    call: { config: { axis: -1, ord: null } },
    gives: [Math.hypot(1, 2, 3), Math.hypot(4, 5, 6)],
    shape: [1, 2],
  },
  // Of two outputs, the first.
  moments: { call: { config: { axes: [1] } }, gives: [2.5, 3.5, 4.5], shape: [1, 3] },
  ptp: { call: { config: { axis: -1 } }, gives: [2, 2], shape: [1, 2] },
  count_nonzero: { call: { config: { axis: [1, 2] } }, gives: [6], shape: [1] },
  sort: { call: { config: { axis: 1 } }, gives: [1, 2, 3, 4, 5, 6], shape: [1, 2, 3] },
  argsort: { call: { config: { axis: -1 } }, gives: [0, 1, 2, 0, 1, 2], shape: [1, 2, 3] },
  roll: {
    call: { config: { shift: [1, -1], axis: [1, 2] } },
    gives: [5, 6, 4, 2, 3, 1],
    shape: [1, 2, 3],
  },
  diff: { call: { config: { n: 1, axis: 2 } }, gives: [1, 1, 1, 1], shape: [1, 2, 2] },
  tril: { call: { config: { k: 0 } }, gives: [1, 0, 0, 4, 5, 0], shape: [1, 2, 3] },
  triu: { call: { config: { k: 1 } }, gives: [0, 2, 3, 0, 0, 6], shape: [1, 2, 3] },
  slice: {
    call: { config: { start_indices: [0, 1, 0], shape: [1, 1, 2] } },
    gives: [4, 5],
    shape: [1, 1, 2],
  },
  full_like: { call: { args: [x, 7] }, gives: [7, 7, 7, 7, 7, 7], shape: [1, 2, 3] },
  threshold: {
    call: { config: { threshold: 3, default_value: -1 } },
    gives: [-1, -1, -1, 4, 5, 6],
    shape: [1, 2, 3],
  },
  hstack: {
    call: { args: [[x, x]] },
    gives: [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6],
    shape: [1, 4, 3],
  },
  vstack: {
    call: { args: [[x, x]] },
    gives: [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6],
    shape: [2, 2, 3],
  },
  // Of each column, in which of the classes 0 to 3 its numbers are.
  multi_hot: {
    call: { config: { num_classes: 4, axis: -1 } },
    gives: [0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    shape: [1, 3, 4],
  },
  argmax: { call: { config: { axis: -1 } }, gives: [2, 2], shape: [1, 2] },
  argmin: { call: { config: { axis: 1 } }, gives: [0, 0, 0], shape: [1, 3] },
  any: { call: { config: { axis: -1 } }, gives: [1, 1], shape: [1, 2] },
  all: { call: { config: { axis: -1 } }, gives: [1, 1], shape: [1, 2] },
  softmax: {
    call: { config: { axis: 1 } },
    gives: [0, 0, 0, 1, 1, 1].map((n) => Math.exp(3 * n) / (1 + Math.exp(3))),
    shape: [1, 2, 3],
  },
  log_softmax: {
    call: { config: { axis: 1 } },
    gives: [0, 0, 0, 3, 3, 3].map((n) => n - Math.log(1 + Math.exp(3))),
    shape: [1, 2, 3],
  },
  l2_normalize: {
    call: { config: { axis: 1, order: 2 } },
    gives: [1, 2, 3, 4, 5, 6].map(
      (n, i) => n / Math.hypot([1, 2, 3][i % 3] ?? 0, [4, 5, 6][i % 3] ?? 0),
    ),
    shape: [1, 2, 3],
  },
  reshape: { call: { config: { newshape: [-1, 6] } }, gives: [1, 2, 3, 4, 5, 6], shape: [1, 6] },
  shape: { call: {}, gives: [1, 2, 3], shape: [3] },
  add_n: { call: { args: [[x, x, x]] }, gives: [3, 6, 9, 12, 15, 18], shape: [1, 2, 3] },
  bias_add: { call: { args: [x, [1, 0, -1]] }, gives: [2, 2, 2, 5, 5, 5], shape: [1, 2, 3] },
  ravel: { call: {}, gives: [1, 2, 3, 4, 5, 6], shape: [6] },
  transpose: { call: { config: { axes: [0, 2, 1] } }, gives: [1, 4, 2, 5, 3, 6], shape: [1, 3, 2] },
  swapaxes: {
    call: { config: { axis1: 1, axis2: -1 } },
    gives: [1, 4, 2, 5, 3, 6],
    shape: [1, 3, 2],
  },
  moveaxis: {
    call: { config: { source: [2], destination: [1] } },
    gives: [1, 4, 2, 5, 3, 6],
    shape: [1, 3, 2],
  },
  expand_dims: { call: { config: { axis: 1 } }, gives: [1, 2, 3, 4, 5, 6], shape: [1, 1, 2, 3] },
  squeeze: { call: { config: { axis: [0] } }, gives: [1, 2, 3, 4, 5, 6], shape: [2, 3] },
  flip: { call: { config: { axis: 2 } }, gives: [3, 2, 1, 6, 5, 4], shape: [1, 2, 3] },
  tile: {
    call: { config: { repeats: [1, 1, 2] } },
    gives: [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6],
    shape: [1, 2, 6],
  },
  repeat: {
    call: { config: { repeats: 2, axis: 1 } },
    gives: [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6],
    shape: [1, 4, 3],
  },
  broadcast_to: {
    call: { config: { shape: [2, 2, 3] } },
    gives: [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6],
    shape: [2, 2, 3],
  },
  pad: {
    call: {
      config: {
        pad_width: [
          [0, 0],
          [0, 0],
          [1, 0],
        ],
        mode: 'constant',
      },
      kwargs: { constant_values: 9 },
    },
    gives: [9, 1, 2, 3, 9, 4, 5, 6],
    shape: [1, 2, 4],
  },
  clip: { call: { config: { x_min: 2, x_max: 5 } }, gives: [2, 2, 3, 4, 5, 5], shape: [1, 2, 3] },
  cast: { call: { config: { dtype: 'int32' } }, gives: [1, 2, 3, 4, 5, 6], shape: [1, 2, 3] },
  cumsum: { call: { config: { axis: 2 } }, gives: [1, 3, 6, 4, 9, 15], shape: [1, 2, 3] },
  take: { call: { args: [x, [2, 0]], config: { axis: 2 } }, gives: [3, 1, 6, 4], shape: [1, 2, 2] },
  one_hot: {
    call: { config: { num_classes: 7, axis: -1 } },
    gives: [1, 2, 3, 4, 5, 6].flatMap((n) => Array.from({ length: 7 }, (_, i) => Number(i === n))),
    shape: [1, 2, 3, 7],
  },
  matmul: {
    call: {
      args: [
        x,
        [
          [1, 0],
          [0, 1],
          [1, 1],
        ],
      ],
    },
    gives: [4, 5, 10, 11],
    shape: [1, 2, 2],
  },
  einsum: {
    call: { config: { subscripts: 'nij->nji' } },
    gives: [1, 4, 2, 5, 3, 6],
    shape: [1, 3, 2],
  },
  concatenate: {
    call: { args: [[x, x]], config: { axis: 1 } },
    gives: [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6],
    shape: [1, 4, 3],
  },
  stack: {
    call: { args: [[x, x]], config: { axis: 1 } },
    gives: [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6],
    shape: [1, 2, 2, 3],
  },
  split: {
    call: { config: { indices_or_sections: [1], axis: 2 } },
    gives: [1, 4],
    shape: [1, 2, 1],
  },
  unstack: { call: { config: { num: null, axis: 1 } }, gives: [1, 2, 3], shape: [1, 3] },
  top_k: { call: { config: { k: 2 } }, gives: [3, 2, 6, 5], shape: [1, 2, 2] },
  get_item: {
    call: { args: [x, [slice(null, null), -1, slice(null, null, -1)]] },
    gives: [6, 5, 4],
    shape: [1, 3],
  },
};
