import type { Value } from '../../../tensor.ts';
import { integers } from '../../layout.ts';
import type { Algebra } from './algebra.ts';

/** Channels of [..., C] or [N, C, H, W], one by one, with the axis kept. */
function channels(x: Value, axis: number, m: Algebra): readonly [Value, Value, Value] {
  const [a, b = a, c = a] = m.graph.addAll('Split', [x, integers(m.graph, 'split', [1, 1, 1])], {
    axis,
  });
  return [a, b, c];
}

/** Hue, saturation and value, all from 0 to 1. */
export function toHsv(x: Value, m: Algebra): Value {
  const [red, green, blue] = channels(x, 1, m);
  const over = { axes: [1], keepdims: 1 } as const;
  const value = m.graph.add('ReduceMax', [x], over);
  const range = m.minus(value, m.graph.add('ReduceMin', [x], over));
  const isGrey = m.join('Equal', range, 0);
  const unit = m.where(isGrey, 1, range);
  const hueOf = (a: Value, b: Value, turn: number): Value =>
    m.plus(m.over(m.minus(a, b), unit), turn);
  const isRed = m.join('Equal', red, value);
  const isGreen = m.join('Equal', green, value);
  const other = m.where(isGreen, hueOf(blue, red, 2), hueOf(red, green, 4));
  const sixth = m.over(m.where(isRed, hueOf(green, blue, 0), other), 6);
  const hue = m.where(isGrey, 0, m.minus(sixth, m.of('Floor', sixth)));
  const saturation = m.where(
    m.join('Greater', value, 0),
    m.over(range, m.where(m.join('Greater', value, 0), value, 1)),
    0,
  );
  return m.concat([hue, saturation, value], 1);
}

/** Each colour is value · (1 - saturation · how far its hue is off, from 0 to 1). */
export function fromHsv(x: Value, m: Algebra): Value {
  const [hue, saturation, value] = channels(x, 1, m);
  const sixths = m.times(hue, 6);
  const clip = (part: Value): Value => m.join('Min', m.join('Max', part, 0), 1);
  const gap = (turn: number): Value => m.of('Abs', m.minus(sixths, turn));
  const strength = [
    clip(m.minus(gap(3), 1)),
    clip(m.minus(2, gap(2))),
    clip(m.minus(2, gap(4))),
  ].map((part) => m.times(m.plus(m.minus(1, saturation), m.times(saturation, part)), value));
  return m.concat(strength, 1);
}
