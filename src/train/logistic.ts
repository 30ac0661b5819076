import { minimise } from './lbfgs.ts';

/** Feature rows and the class of each. */
export interface LabelledRows {
  /** [count, width]. */
  readonly features: Float32Array;
  readonly labels: ArrayLike<number>;
  readonly width: number;
}

/** A fitted logistic regression. */
export interface LogisticRegression {
  /** For standardised features: [1, width] for two classes, else [classes, width]. */
  readonly coefficients: Float64Array;
  readonly intercepts: Float64Array;
  /** The class that each row most likely belongs to. */
  readonly predict: (features: Float32Array) => Uint32Array;
  /** Share of rows whose class it finds. */
  readonly accuracy: (rows: LabelledRows) => number;
}

/**
 * L2-regularised logistic regression on standardised features: what a head is measured against.
 *
 * Minimises ½·‖w‖² + C·Σ loss like scikit-learn's StandardScaler and LogisticRegression(C=1), intercepts free; two
 * classes have one row of coefficients, more have one each (multinomial). Deterministic: no rate, no seed.
 */
export function fitLogistic(
  rows: LabelledRows,
  options: { readonly classes: number; readonly c?: number },
): LogisticRegression {
  const { classes, c = 1 } = options;
  const { width, labels } = rows;
  const scale = scalerOf(rows);
  const x = standardised(rows.features, width, scale);
  const outputs = classes === 2 ? 1 : classes;
  const objective = classes === 2 ? binaryObjective : multinomialObjective;
  const start = new Float64Array(outputs * (width + 1));
  const weights = minimise(objective({ x, labels, width, outputs, c }), start);
  const model = { coefficients: weights.slice(0, outputs * width), outputs, width };
  const intercepts = weights.slice(outputs * width);
  const predict = (features: Float32Array): Uint32Array =>
    classesOf(standardised(features, width, scale), { ...model, intercepts });
  return {
    coefficients: model.coefficients,
    intercepts,
    predict,
    accuracy(test) {
      const found = predict(test.features);
      return found.filter((label, i) => label === test.labels[i]).length / found.length;
    },
  };
}

interface Scaler {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

/** Mean and population deviation of each feature; a constant feature is only shifted. */
function scalerOf({ features, width }: LabelledRows): Scaler {
  const count = features.length / width;
  const mean = new Float64Array(width);
  const square = new Float64Array(width);
  features.forEach((value, i) => {
    mean[i % width] = (mean[i % width] ?? 0) + value / count;
  });
  features.forEach((value, i) => {
    const distance = value - (mean[i % width] ?? 0);
    square[i % width] = (square[i % width] ?? 0) + (distance * distance) / count;
  });
  return { mean, deviation: square.map((variance) => Math.sqrt(variance) || 1) };
}

function standardised(features: Float32Array, width: number, scale: Scaler): Float64Array {
  return Float64Array.from(features, (value, i) => {
    const j = i % width;
    return (value - (scale.mean[j] ?? 0)) / (scale.deviation[j] ?? 1);
  });
}

interface Problem {
  readonly x: Float64Array;
  readonly labels: ArrayLike<number>;
  readonly width: number;
  readonly outputs: number;
  readonly c: number;
}

type Objective = (weights: Float64Array) => { value: number; gradient: Float64Array };

/** C · Σ log(1 + exp(-s·z)) + ½·‖w‖². */
function binaryObjective(problem: Problem): Objective {
  return (weights) =>
    objectiveOf(problem, weights, (scores, label) => {
      const z = scores[0] ?? 0;
      // log(1 + eᶻ) without overflow.
      const soft = Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
      scores[0] = 1 / (1 + Math.exp(-z)) - label;
      return soft - label * z;
    });
}

/** C · Σ (log Σ exp(z) - z of the label) + ½·‖w‖². */
function multinomialObjective(problem: Problem): Objective {
  return (weights) =>
    objectiveOf(problem, weights, (scores, label) => {
      const most = scores.reduce((a, b) => Math.max(a, b));
      const own = (scores[label] ?? 0) - most;
      let sum = 0;
      for (let k = 0; k < scores.length; k++) {
        scores[k] = Math.exp((scores[k] ?? 0) - most);
        sum += scores[k] ?? 0;
      }
      for (let k = 0; k < scores.length; k++) {
        scores[k] = (scores[k] ?? 0) / sum - (k === label ? 1 : 0);
      }
      return Math.log(sum) - own;
    });
}

/** `lossOf` gets the scores of a row, leaves the gradient by them in their place, and returns the loss. */
function objectiveOf(
  { x, labels, width, outputs, c }: Problem,
  weights: Float64Array,
  lossOf: (scores: Float64Array, label: number) => number,
): { value: number; gradient: Float64Array } {
  const gradient = new Float64Array(weights.length);
  const scores = new Float64Array(outputs);
  let value = 0;
  for (let row = 0; row * width < x.length; row++) {
    scoreRow(x, row, { weights, width, scores });
    value += c * lossOf(scores, labels[row] ?? 0);
    for (let k = 0; k < outputs; k++) {
      const slope = c * (scores[k] ?? 0);
      addScaled(gradient, x, { slope, to: k * width, from: row * width, count: width });
      const bias = outputs * width + k;
      gradient[bias] = (gradient[bias] ?? 0) + slope;
    }
  }
  for (let i = 0; i < outputs * width; i++) {
    const weight = weights[i] ?? 0;
    value += (weight * weight) / 2;
    gradient[i] = (gradient[i] ?? 0) + weight;
  }
  return { value, gradient };
}

function addScaled(
  into: Float64Array,
  x: Float64Array,
  { slope, to, from, count }: { slope: number; to: number; from: number; count: number },
): void {
  for (let j = 0; j < count; j++) {
    into[to + j] = (into[to + j] ?? 0) + slope * (x[from + j] ?? 0);
  }
}

function scoreRow(
  x: Float64Array,
  row: number,
  {
    weights,
    width,
    scores,
  }: { readonly weights: Float64Array; readonly width: number; readonly scores: Float64Array },
): void {
  for (let k = 0; k < scores.length; k++) {
    let sum = weights[scores.length * width + k] ?? 0;
    for (let j = 0; j < width; j++) {
      sum += (weights[k * width + j] ?? 0) * (x[row * width + j] ?? 0);
    }
    scores[k] = sum;
  }
}

function classesOf(
  x: Float64Array,
  {
    coefficients,
    intercepts,
    outputs,
    width,
  }: {
    readonly coefficients: Float64Array;
    readonly intercepts: Float64Array;
    readonly outputs: number;
    readonly width: number;
  },
): Uint32Array {
  const weights = Float64Array.of(...coefficients, ...intercepts);
  const scores = new Float64Array(outputs);
  return Uint32Array.from({ length: x.length / width }, (_, row) => {
    scoreRow(x, row, { weights, width, scores });
    if (outputs === 1) return (scores[0] ?? 0) > 0 ? 1 : 0;
    return scores.indexOf(scores.reduce((a, b) => Math.max(a, b)));
  });
}
