// Recurrent cells in plain arithmetic, written after Keras' documentation and not after the converter.

export const units = 2;
export const features = 3;
export const steps = 5;

/** Numbers about 0 that repeat late. */
export function noise(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.sin(12.9 * (i + 1) + 78.2 * seed) * 0.8);
}

export type Matrix = readonly (readonly number[])[];

export function matrix(rows: number, columns: number, seed: number): Matrix {
  const all = noise(rows * columns, seed);
  return Array.from({ length: rows }, (_, i) => all.slice(i * columns, (i + 1) * columns));
}

function times(x: readonly number[], m: Matrix): number[] {
  return (m[0] ?? []).map((_, j) => x.reduce((sum, n, i) => sum + n * (m[i]?.[j] ?? 0), 0));
}

type Map1 = (n: number) => number;
const sigmoid: Map1 = (n) => 1 / (1 + Math.exp(-n));
const mish: Map1 = (n) => n * Math.tanh(Math.log1p(Math.exp(n)));
const functions: Readonly<Record<string, Map1>> = { tanh: Math.tanh, sigmoid, mish };

export const gates = { SimpleRNN: 1, GRU: 3, LSTM: 4 } as const;
export type Kind = keyof typeof gates;

export interface Cell {
  readonly kind: Kind;
  readonly kernel: Matrix;
  readonly recurrent: Matrix;
  readonly bias: readonly (readonly number[])[];
  readonly activation: string;
}

export function cellOf(kind: Kind, activation: string, seed = 1): Cell {
  const columns = gates[kind] * units;
  return {
    kind,
    activation,
    kernel: matrix(features, columns, seed),
    recurrent: matrix(units, columns, seed + 1),
    // Of a GRU that resets after the product, one for each product.
    bias: matrix(kind === 'GRU' ? 2 : 1, columns, seed + 2),
  };
}

interface State {
  readonly h: readonly number[];
  readonly c: readonly number[];
}

function part(of: readonly number[], gate: number, i: number): number {
  return of[gate * units + i] ?? 0;
}

function each(make: (i: number) => number): number[] {
  return Array.from({ length: units }, (_, i) => make(i));
}

/** One step, as Keras' documentation has it. */
function step(cell: Cell, x: readonly number[], { h, c }: State): State {
  const { kind, activation } = cell;
  const f = functions[activation] ?? Math.tanh;
  const [inner = [], outer = []] = cell.bias;
  const a = times(x, cell.kernel).map((n, i) => n + (inner[i] ?? 0));
  const b = times(h, cell.recurrent).map((n, i) => n + (outer[i] ?? 0));
  const both = (gate: number, i: number): number => part(a, gate, i) + part(b, gate, i);
  if (kind === 'SimpleRNN') return { h: each((i) => f(both(0, i))), c };
  if (kind === 'GRU') {
    const next = each((i) => {
      const z = sigmoid(both(0, i));
      const candidate = f(part(a, 2, i) + sigmoid(both(1, i)) * part(b, 2, i));
      return z * (h[i] ?? 0) + (1 - z) * candidate;
    });
    return { h: next, c };
  }
  const memory = each(
    (i) => sigmoid(both(1, i)) * (c[i] ?? 0) + sigmoid(both(0, i)) * f(both(2, i)),
  );
  return { h: each((i) => sigmoid(both(3, i)) * f(memory[i] ?? 0)), c: memory };
}

interface Walked {
  readonly outputs: readonly (readonly number[])[];
  readonly last: State;
}

/** All steps: one that the mask leaves out keeps the state and repeats the output, zeros before the first. */
export function walk(
  cell: Cell,
  x: Matrix,
  mask: readonly boolean[],
  { backwards = false, first }: { readonly backwards?: boolean; readonly first?: State } = {},
): Walked {
  const order = x.map((_, t) => (backwards ? x.length - 1 - t : t));
  const zeros = Array.from({ length: units }, () => 0);
  let state = first ?? { h: zeros, c: zeros };
  let output: readonly number[] = zeros;
  const outputs = order.map((t) => {
    if (mask[t] === true) {
      state = step(cell, x[t] ?? [], state);
      output = state.h;
    }
    return output;
  });
  return { outputs, last: state };
}
