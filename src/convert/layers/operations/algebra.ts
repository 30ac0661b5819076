import type { GraphBuilder } from '../../../onnx/graph.ts';
import type { OpType } from '../../../onnx/ops.ts';
import type { DType, Value } from '../../../tensor.ts';
import { integers } from '../../layout.ts';

/** A value, or a number that becomes a constant of the other side's type. */
export type Term = Value | number;

type One = Extract<
  OpType,
  | 'Abs'
  | 'Neg'
  | 'Exp'
  | 'Log'
  | 'Sqrt'
  | 'Floor'
  | 'Ceil'
  | 'Round'
  | 'Sign'
  | 'Erf'
  | 'Not'
  | 'IsNaN'
  | 'Sin'
  | 'Cos'
  | 'Reciprocal'
>;
type Two = Extract<
  OpType,
  | 'Add'
  | 'Sub'
  | 'Mul'
  | 'Div'
  | 'Pow'
  | 'Max'
  | 'Min'
  | 'Equal'
  | 'Greater'
  | 'Less'
  | 'GreaterOrEqual'
  | 'LessOrEqual'
>;

/** Formulas nearly as one writes them: each method adds one node. */
export class Algebra {
  readonly graph: GraphBuilder;

  constructor(graph: GraphBuilder) {
    this.graph = graph;
  }

  /** A single number of the type of `like`. */
  number(number: number, like: Pick<Value, 'dtype'>): Value {
    const { graph } = this;
    if (like.dtype === 'float32') return graph.floats('number', [number]);
    const whole = graph.integers('number', [number], []);
    return like.dtype === 'int64' ? whole : graph.add('Cast', [whole], { to: like.dtype });
  }

  of(op: One, x: Value): Value {
    return this.graph.add(op, [x]);
  }

  join(op: Two, a: Term, b: Term): Value {
    const like = typeof a === 'object' ? a : typeof b === 'object' ? b : undefined;
    if (!like) throw new Error('Bug: one side is a value');
    const term = (x: Term): Value => (typeof x === 'number' ? this.number(x, like) : x);
    return this.graph.add(op, [term(a), term(b)]);
  }

  plus(a: Term, b: Term): Value {
    return this.join('Add', a, b);
  }

  minus(a: Term, b: Term): Value {
    return this.join('Sub', a, b);
  }

  times(a: Term, b: Term): Value {
    return this.join('Mul', a, b);
  }

  over(a: Term, b: Term): Value {
    return this.join('Div', a, b);
  }

  /** The first where the condition holds, else the second. */
  where(condition: Value, a: Term, b: Term): Value {
    const like =
      typeof a === 'object' ? a : typeof b === 'object' ? b : { dtype: 'float32' as const };
    const term = (x: Term): Value => (typeof x === 'number' ? this.number(x, like) : x);
    return this.graph.add('Where', [condition, term(a), term(b)]);
  }

  both(a: Value, b: Value): Value {
    return this.graph.add('And', [a, b]);
  }

  either(a: Value, b: Value): Value {
    return this.graph.add('Or', [a, b]);
  }

  cast(x: Value, to: DType): Value {
    return x.dtype === to ? x : this.graph.add('Cast', [x], { to });
  }

  sum(x: Value, axes: readonly number[], keepdims: 0 | 1 = 0): Value {
    return this.graph.add('ReduceSum', [x, integers(this.graph, 'axes', axes)], { keepdims });
  }

  mean(x: Value, axes: readonly number[], keepdims: 0 | 1 = 0): Value {
    return this.graph.add('ReduceMean', [x], { axes, keepdims });
  }

  unsqueeze(x: Value, axes: readonly number[]): Value {
    return axes.length === 0
      ? x
      : this.graph.add('Unsqueeze', [x, integers(this.graph, 'axes', axes)]);
  }

  squeeze(x: Value, axes: readonly number[]): Value {
    return axes.length === 0
      ? x
      : this.graph.add('Squeeze', [x, integers(this.graph, 'axes', axes)]);
  }

  reshape(x: Value, shape: readonly number[]): Value {
    return this.graph.add('Reshape', [x, integers(this.graph, 'shape', shape)]);
  }

  transpose(x: Value, perm: readonly number[]): Value {
    return perm.every((axis, i) => axis === i) ? x : this.graph.add('Transpose', [x], { perm });
  }

  /** x[start:stop:step] along one axis. */
  slice(
    x: Value,
    axis: number,
    [start, stop, step = 1]: readonly [number, number, number?],
  ): Value {
    const { graph } = this;
    return graph.add('Slice', [
      x,
      integers(graph, 'starts', [start]),
      integers(graph, 'ends', [stop]),
      integers(graph, 'axes', [axis]),
      integers(graph, 'steps', [step]),
    ]);
  }

  gather(x: Value, places: readonly number[], axis: number): Value {
    return this.graph.add('Gather', [x, integers(this.graph, 'places', places)], { axis });
  }

  concat(parts: readonly Value[], axis: number): Value {
    const [first, ...others] = parts;
    if (!first) throw new Error('Bug: something is joined');
    return others.length === 0 ? first : this.graph.add('Concat', [first, ...others], { axis });
  }
}
