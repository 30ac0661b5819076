import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';

describe('the shape of a slice of an axis of open size', () => {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['t', 3]);
  const cut = (start: number, end: number, step: number) =>
    graph.add('Slice', [
      x,
      graph.integers('starts', [start]),
      graph.integers('ends', [end]),
      graph.integers('axes', [0]),
      graph.integers('steps', [step]),
    ]).shape[0];

  it('is that of the axis for all of it, either way round', () => {
    expect(cut(0, 2 ** 31 - 1, 1)).toBe('t');
    expect(cut(-1, -(2 ** 31), -1)).toBe('t');
  });

  it('is another for less of it', () => {
    expect(cut(0, -1, 1)).not.toBe('t');
    expect(cut(0, 4, 1)).not.toBe('t');
    expect(cut(-1, -4, -1)).not.toBe('t');
    expect(cut(1, 2 ** 31 - 1, 1)).not.toBe('t');
  });
});

describe('the shape of what is expanded to the shape of another value', () => {
  it('has its sizes, known and open', () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', ['t', 'n', 4]);
    const places = graph.input('places', 'int64', ['t', 'n', 1]);
    const wide = graph.add('Expand', [places, graph.add('Shape', [x])]);
    expect(wide.shape).toEqual(['t', 'n', 4]);
  });
});
