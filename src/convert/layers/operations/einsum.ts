import type { Value } from '../../../tensor.ts';
import { type KerasTensor, kerasTensor } from '../../layout.ts';
import type { OperationCall } from './call.ts';
import type { Operation } from './elementwise.ts';

/** The operands after the equation, tensors and arrays, in order. */
function operandsOf(call: OperationCall, equation: string): readonly Value[] {
  const count = equation.split('->')[0]?.split(',').length ?? 0;
  const given = call.args.flatMap((part) => {
    const list: readonly unknown[] = Array.isArray(part) ? part : [];
    return list.some((each) => call.tensorOf(each)) ? list : [part];
  });
  const parts = given.filter((part) => typeof part !== 'string');
  const { like } = call;
  if (parts.length !== count) throw call.refused(lostOperands(equation, parts.length, count));
  return parts.map((part) => {
    const tensor = call.tensorOf(part);
    return tensor ? call.bench.layouts.keras(tensor).value : call.constantOf(part, like);
  });
}

function lostOperands(equation: string, found: number, count: number): string {
  return `the equation "${equation}", which takes ${count} tensors, while the file names ${found}: tf.keras does not save the others`;
}

/** Letters of no output are summed; without an arrow the output is every letter that occurs once, in their order. */
function einsum(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const said = call.raw(0, 'subscripts', 'equation');
  if (typeof said !== 'string') throw call.refused(`the equation ${JSON.stringify(said)}`);
  const plain = said.replaceAll(' ', '');
  const equation = plain.includes('->') ? plain : `${plain}->${implicit(plain)}`;
  const [first, ...others] = operandsOf(call, equation);
  if (!first) throw call.refused('no tensors');
  return kerasTensor(graph.add('Einsum', [first, ...others], { equation }));
}

function implicit(terms: string): string {
  const letters = [...new Set(terms.replaceAll(/[.,]/g, ''))];
  const once = letters.filter((letter) => terms.split(letter).length === 2).toSorted();
  return `${terms.includes('...') ? '...' : ''}${once.join('')}`;
}

/** Sums of products by letters. Source: keras/src/ops/numpy.py. */
export const einsumOperations: Readonly<Record<string, Operation>> = { einsum };
