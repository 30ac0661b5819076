import type { Shape } from '../tensor.ts';
import type { GraphBuilder, Node } from './graph.ts';

/** A graph as text, one line a node: for snapshots and for people. */
export function printGraph(graph: GraphBuilder): string {
  return `${linesOf(graph, '').join('\n')}\n`;
}

function linesOf(graph: GraphBuilder, indent: string): string[] {
  return [
    ...graph.inputs.map(
      ({ name, dtype, shape }) => `${indent}in  ${name}: ${dtype} ${text(shape)}`,
    ),
    ...[...graph.initializers].map(
      ([name, { dtype, shape }]) => `${indent}w   ${name}: ${dtype} ${text(shape)}`,
    ),
    ...graph.nodes.flatMap((node) => [
      `${indent}${nodeLine(node)}`,
      ...(node.body ? linesOf(node.body, `${indent}  `) : []),
    ]),
    ...graph.outputs.map(({ name, shape }) => `${indent}out ${name}: ${text(shape)}`),
  ];
}

function nodeLine({ op, inputs, outputs, attributes }: Node): string {
  const values: readonly ({ readonly name: string } | undefined)[] = inputs;
  const taken = values.map((input) => input?.name ?? '_').join(', ');
  const made = outputs.map(({ name, shape }) => `${name} ${text(shape)}`).join(', ');
  const settings = Object.entries(attributes).map(([key, value]) => `${key}=${String(value)}`);
  return `${made} = ${op}(${taken})${settings.length > 0 ? ` {${settings.join(' ')}}` : ''}`;
}

function text(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}
