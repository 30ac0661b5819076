import { ToolkitError } from '../errors.ts';
import type { ForeignPort } from '../onnx/ports.ts';
import type { StoredModel } from '../onnx/read.ts';

/**
 * Inputs and outputs that onnxruntime-node cannot pass, though a graph may use their types inside.
 *
 * Tried with 1.30: bfloat16 and the floats of 8 bits fail at load ("Unsupported data type"), those of 4 bits have no
 * kernels, complex numbers are no type at all, and what is no tensor loads, but fails in each run.
 */
export function closedPorts(
  { inputs, outputs, foreign }: Pick<StoredModel, 'inputs' | 'outputs' | 'foreign'>,
  withOutputs: boolean,
): readonly ForeignPort[] {
  const halves = [
    ...inputs.map((port) => ({ ...port, end: 'input' as const })),
    ...outputs.map((port) => ({ ...port, end: 'output' as const })),
  ].filter(({ dtype }) => dtype === 'bfloat16');
  const all = [...foreign, ...halves.map(({ end, name, dtype }) => ({ end, name, type: dtype }))];
  return all.filter(({ end }) => withOutputs || end === 'input');
}

/** RUNTIME_FAILED, naming each with its type, and what to do about the first. */
export function closedFault(file: string, ports: readonly ForeignPort[]): ToolkitError {
  const named = ports.map(({ end, name, type }) => `${end} "${name}" is of type ${type}`);
  const hints = new Set(ports.map(hintFor));
  return new ToolkitError(
    'RUNTIME_FAILED',
    `The model could not be loaded: ${named.join(', ')}, which onnxruntime-node cannot pass`,
    { where: { file }, hint: [...hints].join(' ') },
  );
}

function hintFor({ end, type }: ForeignPort): string {
  if (type.startsWith('complex')) {
    return 'onnxruntime has no complex numbers: give the graph a float32 tensor with real and imaginary parts.';
  }
  if (type === 'sequence' || type === 'map') {
    return 'Export it with tensors: skl2onnx with options={"zipmap": False}, other graphs with a last node that makes a tensor of it.';
  }
  if (type === 'optional' || type === 'sparse tensor')
    return 'Export it with a plain tensor there.';
  const wide = /int/.test(type) ? 'int8' : 'float32 or float16';
  const where = end === 'input' ? 'right behind the input' : 'right before the output';
  return `Add a Cast ${where}, so that it is ${wide} outside; inside it may stay ${type}.`;
}
