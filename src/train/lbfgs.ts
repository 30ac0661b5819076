/** A value and its slope at a point. */
export type Objective = (point: Float64Array) => { value: number; gradient: Float64Array };

/** How exactly the minimum is wanted. */
interface Limits {
  /** The search ends when no number of the gradient is larger. Default 1e-6. */
  readonly tolerance?: number;
  /** Default 1000. */
  readonly steps?: number;
}

/** Pairs of steps and changes of the gradient that stand for the curvature. */
const memory = 10;

interface Pair {
  readonly step: Float64Array;
  readonly change: Float64Array;
  readonly rho: number;
}

/**
 * The point where a smooth convex function is least: limited-memory BFGS with a backtracking line search.
 *
 * Source: Nocedal and Wright, Numerical Optimization, algorithms 7.4 (two loops) and 3.1 (backtracking).
 */
export function minimise(
  objective: Objective,
  start: Float64Array,
  { tolerance = 1e-6, steps = 1000 }: Limits = {},
): Float64Array {
  let point = start;
  let now = objective(point);
  const pairs: Pair[] = [];
  for (let i = 0; i < steps && largest(now.gradient) > tolerance; i++) {
    const direction = descent(now.gradient, pairs);
    const next = lineSearch(objective, { point, now, direction, first: pairs.length === 0 });
    if (!next) return point;
    const gain = now.value - next.at.value;
    if (gain <= 1e-15 * Math.abs(now.value)) return next.point;
    const step = minus(next.point, point);
    const change = minus(next.at.gradient, now.gradient);
    const curvature = dot(step, change);
    // A pair without positive curvature would make the next direction lead upwards.
    if (curvature > 1e-12 * dot(change, change)) pairs.push({ step, change, rho: 1 / curvature });
    if (pairs.length > memory) pairs.shift();
    ({ point, at: now } = next);
  }
  return point;
}

type Evaluation = ReturnType<Objective>;

interface Search {
  readonly point: Float64Array;
  readonly now: Evaluation;
  readonly direction: Float64Array;
  /** Whether nothing is known of the curvature, so that the length of the direction means nothing. */
  readonly first: boolean;
}

/** Halves the step until the value falls enough; `undefined` when rounding leaves nothing to gain. */
function lineSearch(
  objective: Objective,
  { point, now, direction, first }: Search,
): { readonly point: Float64Array; readonly at: Evaluation } | undefined {
  const slope = dot(now.gradient, direction);
  let length = first ? 1 / Math.sqrt(dot(direction, direction)) : 1;
  for (let tries = 0; tries < 60; tries++, length /= 2) {
    const trial = point.map((value, i) => value + length * (direction[i] ?? 0));
    const at = objective(trial);
    if (at.value <= now.value + 1e-4 * length * slope) return { point: trial, at };
  }
  return undefined;
}

/** Minus the gradient, bent by what the last steps say of the curvature. */
function descent(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const q = gradient.slice();
  const alphas = pairs.toReversed().map(({ step, change, rho }) => {
    const alpha = rho * dot(step, q);
    addScaled(q, change, -alpha);
    return alpha;
  });
  const last = pairs.at(-1);
  const scale = last ? 1 / (last.rho * dot(last.change, last.change)) : 1;
  for (let i = 0; i < q.length; i++) q[i] = (q[i] ?? 0) * scale;
  pairs.forEach(({ step, change, rho }, i) => {
    const beta = rho * dot(change, q);
    addScaled(q, step, (alphas[pairs.length - 1 - i] ?? 0) - beta);
  });
  return q.map((value) => -value);
}

function addScaled(into: Float64Array, x: Float64Array, factor: number): void {
  for (let i = 0; i < into.length; i++) into[i] = (into[i] ?? 0) + factor * (x[i] ?? 0);
}

function minus(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - (b[i] ?? 0));
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

function largest(x: Float64Array): number {
  return x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
