import { join } from 'node:path';
import { cardMetadata, type ModelCard } from '../../src/onnx/card.ts';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { writeModel } from '../../src/onnx/write.ts';
import type { DType } from '../../src/tensor.ts';
import { meanColors, plain, saveModel, weights } from '../runtime/models.ts';

async function save(path: string, graph: GraphBuilder, card: ModelCard = {}): Promise<string> {
  await writeModel(path, graph, { name: 'test', metadata: () => cardMetadata(card), force: true });
  return path;
}

/** y = x + `plus`, elementwise, x [N, width]. */
export async function addition(path: string, plus = 1, width = 3): Promise<string> {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['N', width]);
  const sum = graph.add('Add', [x, graph.floats('plus', [plus])]);
  graph.output(graph.rename(sum, 'y'));
  return save(path, graph);
}

/** y = x, of any element type, [N, 2]. */
export async function same(path: string, dtype: DType | 'string'): Promise<string> {
  if (dtype === 'string') throw new Error('texts cannot be built here');
  const graph = new GraphBuilder();
  const x = graph.input('x', dtype, ['N', 2]);
  graph.output(graph.rename(graph.add('Identity', [x]), 'y'));
  return save(path, graph);
}

/** y = x + 1 with exactly `size` rows a run. */
export async function fixedBatch(path: string, size: number): Promise<string> {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', [size, 3]);
  const sum = graph.add('Add', [x, graph.floats('plus', [1])]);
  graph.output(graph.rename(sum, 'y'));
  return save(path, graph);
}

/** Rows of a run influence each other: y = x - mean over the batch. */
export async function centred(path: string): Promise<string> {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['N', 3]);
  const mean = graph.add('ReduceMean', [x], { axes: [0], keepdims: 1 });
  graph.output(graph.rename(graph.add('Sub', [x, mean]), 'y'));
  return save(path, graph);
}

/** The mean of red, green and blue of a picture of 8 × 8, with names for the three. */
export async function colours(path: string): Promise<string> {
  const card = { classes: ['red', 'green', 'blue'], preprocess: plain([8, 8]) };
  await saveModel(path, meanColors([8, 8]), card);
  return path;
}

/** A model that takes tens of milliseconds a run, over [N, 512]. */
export async function slow(path: string, width = 512, depth = 1500): Promise<string> {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['N', width]);
  const square = graph.initializer('square', weights([width, width], 1 / width));
  let value = x;
  for (let i = 0; i < depth; i++) value = graph.add('MatMul', [value, square]);
  graph.output(graph.rename(value, 'y'));
  return save(path, graph);
}

/** The path of a model in a folder. */
export const at = (folder: string, name: string): string => join(folder, `${name}.onnx`);
