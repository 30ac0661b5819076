import type { Node } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import type { GradientRules } from './rule.ts';
import { unsupportedForm } from './rule.ts';

/** The gradient of a sum of products named by letters: dy takes the place of the operand, and the operand that of y. */
export const einsum = {
  Einsum: (node, dy, graph) => {
    const { terms, result } = spelledOut(node);
    const gradientOf = (operand: Value, i: number): Value => {
      const term = terms[i] ?? '';
      const others = terms.filter((_, j) => j !== i);
      const known = new Set(`${result}${others.join('')}`.split(''));
      const isPlain =
        new Set(term).size === term.length && term.split('').every((at) => known.has(at));
      if (!isPlain) throw unsupportedForm(node, `"${node.attributes.equation}"`);
      const operands = node.inputs.filter((_, j) => j !== i);
      const equation = `${[result, ...others].join(',')}->${term}`;
      return graph.rename(
        graph.add('Einsum', [dy, ...operands], { equation }),
        `${operand.name}_gradient`,
      );
    };
    const [first, ...rest] = node.inputs;
    return [gradientOf(first, 0), ...rest.map((operand, i) => gradientOf(operand, i + 1))];
  },
} satisfies GradientRules;

/** The equation with letters in the place of an ellipsis. */
function spelledOut(node: Node<'Einsum'>): { readonly terms: string[]; readonly result: string } {
  const [left = '', result = ''] = node.attributes.equation.replaceAll(' ', '').split('->');
  const spare = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'.split('').filter((letter) => !left.includes(letter));
  let widest = '';
  const terms = left.split(',').map((term, i) => {
    const rank = node.inputs[i]?.shape.length ?? 0;
    const width = rank - term.replace('...', '').length;
    const letters = spare.slice(8 - width, 8).join('');
    if (term.includes('...') && letters.length > widest.length) widest = letters;
    return term.replace('...', letters);
  });
  return { terms, result: result.replace('...', widest) };
}
