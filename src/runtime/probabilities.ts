import type { StoredModel } from '../onnx/read.ts';

/** Operators that change nothing of the numbers but how they lie. */
const passing = new Set([
  'Identity',
  'Cast',
  'Reshape',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
]);
const squashing = new Set(['Softmax', 'Sigmoid']);

/** Whether the numbers of an output are those of a softmax or a sigmoid, whatever shape they were brought into. */
export function endsInProbabilities({ nodes }: StoredModel, output: string): boolean {
  let name = output;
  // As many steps as there are nodes: a damaged graph may go round.
  for (let step = 0; step < nodes.length; step++) {
    const node = nodes.find(({ outputs }) => outputs.includes(name));
    if (!node || !passing.has(node.op)) return squashing.has(node?.op ?? '');
    name = node.inputs[0] ?? '';
  }
  return false;
}
