import type { GraphBuilder } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';

/** Whose update rules are followed: those of Keras 1 (1.2.2), or of Keras 3. */
export type KerasRules = 1 | 3;

/** The settings that the update rules are made from, all given. */
export interface RuleSettings {
  readonly keras: KerasRules;
  readonly epsilon: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly rho: number;
  readonly centered: boolean;
  readonly beta1: number;
  readonly beta2: number;
  readonly amsgrad: boolean;
}

/** A tensor that an optimizer keeps for each parameter, in its shape. */
export interface Slot {
  readonly name: string;
  /** What all its numbers are at first. */
  readonly start: number;
}

/** What the update of one parameter is made from, in a graph. */
interface ParameterStep {
  readonly parameter: Value;
  readonly gradient: Value;
  readonly slots: readonly Value[];
  /** Scalar: the rate after decay. */
  readonly rate: Value;
  /** Scalar float32: number of this update, from 1. */
  readonly count: Value;
}

interface ParameterUpdate {
  readonly parameter: Value;
  readonly slots: readonly Value[];
}

/** One optimizer's rule. */
export interface Rules {
  readonly slots: readonly Slot[];
  readonly update: (graph: GraphBuilder, step: ParameterStep) => ParameterUpdate;
}

/** Slots that start at 0. */
export function slotsNamed(...names: readonly string[]): Slot[] {
  return names.map((name) => ({ name, start: 0 }));
}

/** factor · before + (1 - factor) · now. */
export function smoothed(
  graph: GraphBuilder,
  before: Value | undefined,
  now: Value,
  factor: number,
): Value {
  if (!before) throw new Error('Bug: a slot of the optimizer was not given');
  const old = graph.add('Mul', [graph.floats('keep', [factor]), before]);
  return graph.add('Add', [old, graph.add('Mul', [graph.floats('take', [1 - factor]), now])]);
}

/** √x + ε, or √(x + ε). */
export function rootWith(
  graph: GraphBuilder,
  x: Value,
  epsilon: number,
  place: 'inside' | 'outside',
): Value {
  const tiny = graph.floats('epsilon', [epsilon]);
  if (place === 'inside') return graph.add('Sqrt', [graph.add('Add', [x, tiny])]);
  return graph.add('Add', [graph.add('Sqrt', [x]), tiny]);
}

/** 1 - factor^count. */
export function remainder(graph: GraphBuilder, factor: number, count: Value): Value {
  const power = graph.add('Pow', [graph.floats('factor', [factor]), count]);
  return graph.add('Sub', [graph.floats('one', [1]), power]);
}

export function squareOf(graph: GraphBuilder, x: Value): Value {
  return graph.add('Mul', [x, x]);
}
