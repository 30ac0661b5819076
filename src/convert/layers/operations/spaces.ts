import type { Value } from '../../../tensor.ts';
import { kerasTensor } from '../../layout.ts';
import { Algebra } from './algebra.ts';
import { axesFromStart, type OperationCall } from './call.ts';
import { inFloats, type Operation } from './elementwise.ts';

interface Steps {
  readonly from: Value;
  readonly to: Value;
  readonly axis: number;
  readonly fractions: readonly number[];
}

function stepsOf(call: OperationCall, axisAt: number): Steps {
  const { graph } = call.bench;
  const from = inFloats(call.value(0, { dtype: 'float32' }, 'start'), graph);
  const to = inFloats(call.value(1, { dtype: 'float32' }, 'stop'), graph);
  const count = call.number(2, 50, 'num');
  const isClosed = (call.raw(3, 'endpoint') ?? true) === true;
  const rank = Math.max(from.shape.length, to.shape.length) + 1;
  const [axis = 0] = axesFromStart([call.number(axisAt, 0, 'axis')], rank);
  const gaps = Math.max(isClosed ? count - 1 : count, 1);
  return { from, to, axis, fractions: Array.from({ length: count }, (_, i) => i / gaps) };
}

/** start · (1 - t) + stop · t, for evenly spaced t. */
function spaced({ from, to, axis, fractions }: Steps, m: Algebra): Value {
  const rank = Math.max(from.shape.length, to.shape.length) + 1;
  const shape = Array.from({ length: rank - axis }, (_, i) => (i === 0 ? fractions.length : 1));
  const t = m.graph.floats('steps', fractions, shape);
  const start = m.unsqueeze(from, [axis]);
  return m.plus(start, m.times(m.minus(m.unsqueeze(to, [axis]), start), t));
}

function space(kind: 'linear' | 'logarithmic' | 'geometric'): Operation {
  return (call) => {
    const m = new Algebra(call.bench.graph);
    // linspace has retstep before dtype and axis, logspace base, geomspace neither.
    const steps = stepsOf(call, kind === 'geometric' ? 5 : 6);
    if (kind === 'linear' && call.flag(4, 'retstep')) throw call.refused('retstep');
    if (call.raw(Number.POSITIVE_INFINITY, 'dtype') !== undefined) throw call.refused('a dtype');
    if (kind === 'linear') return kerasTensor(spaced(steps, m));
    if (kind === 'logarithmic') {
      const base = call.number(4, 10, 'base');
      return kerasTensor(m.graph.add('Pow', [m.graph.floats('base', [base]), spaced(steps, m)]));
    }
    const logs = {
      ...steps,
      from: m.of('Log', m.of('Abs', steps.from)),
      to: m.of('Log', m.of('Abs', steps.to)),
    };
    const size = m.of('Exp', spaced(logs, m));
    return kerasTensor(m.times(size, m.unsqueeze(m.of('Sign', steps.from), [steps.axis])));
  };
}

/** Evenly spaced numbers between two tensors. Source: keras/src/ops/numpy.py. */
export const spaceOperations: Readonly<Record<string, Operation>> = {
  linspace: space('linear'),
  logspace: space('logarithmic'),
  geomspace: space('geometric'),
};
