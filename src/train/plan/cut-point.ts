import { ToolkitError } from '../../errors.ts';
import type { StoredModel, StoredNode } from '../../onnx/read.ts';

/** A value through which all that comes before it goes on: a place where a network can be cut in two. */
export interface CutPoint {
  readonly name: string;
  /** Sizes after the batch. */
  readonly shape: readonly number[];
  /** Numbers a sample. */
  readonly width: number;
}

/**
 * The places on the way to a value where a network can be cut so that none of some weights lies before the cut, in
 * order, the input first.
 *
 * At such a value everything that the target needs of the inputs comes together; its size is known. Weights that lie
 * nowhere give all places.
 */
export function cutPoints(
  model: StoredModel,
  target: string,
  trainable: ReadonlySet<string>,
): readonly CutPoint[] {
  const inputs = new Set(model.inputs.map(({ name }) => name));
  const needed = neededNodes(model, target);
  const points: CutPoint[] = [];
  // What earlier values are still waited for by nodes that have not come yet
  const uses = usesOf(needed, target);
  const live = new Set(inputs);
  const add = (name: string): void => {
    const point = live.size === 1 && live.has(name) ? pointAt(model, name) : undefined;
    if (point) points.push(point);
  };
  for (const name of inputs) add(name);
  for (const node of needed) {
    if (node.inputs.some((name) => trainable.has(name))) return points;
    pass(node, live, uses);
    for (const output of node.outputs) add(output);
  }
  return points;
}

/** Goes past a node: what nothing waits for any more is dead, and what it puts out of a sample lives. */
function pass(node: StoredNode, live: Set<string>, uses: Map<string, number>): void {
  const own = [...node.inputs, ...node.captured].filter((name) => live.has(name));
  for (const name of own) {
    const left = (uses.get(name) ?? 0) - 1;
    uses.set(name, left);
    if (left <= 0) live.delete(name);
  }
  // What is computed of constants alone does not carry the sample.
  const made = own.length > 0 ? node.outputs.filter((output) => uses.has(output)) : [];
  for (const output of made) live.add(output);
}

/** The last place to cut before any of these weights. Throws ONNX_VALUE_UNKNOWN where there is none. */
export function lastCut(
  model: StoredModel,
  target: string,
  trainable: ReadonlySet<string>,
): CutPoint {
  const last = cutPoints(model, target, trainable).at(-1);
  if (last) return last;
  throw new ToolkitError(
    'ONNX_VALUE_UNKNOWN',
    'The model cannot be cut before the layers that learn: no value of a known size has all that comes before it',
    {
      where: { file: model.path },
      hint: 'A model that learns takes one input whose size is known, [N, ...].',
    },
  );
}

/** The nodes that a value needs, in the file's order, which is topological. */
function neededNodes(model: StoredModel, target: string): readonly StoredNode[] {
  const producers = new Map(
    model.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)),
  );
  const found = new Set<StoredNode>();
  const open = [target];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = producers.get(name);
    if (!node || found.has(node)) continue;
    found.add(node);
    open.push(...node.inputs, ...node.captured);
  }
  return model.nodes.filter((node) => found.has(node));
}

function usesOf(nodes: readonly StoredNode[], target: string): Map<string, number> {
  const uses = new Map<string, number>();
  const names = nodes.flatMap(({ inputs, captured }) => [...inputs, ...captured]);
  for (const name of [...names, target]) {
    uses.set(name, (uses.get(name) ?? 0) + 1);
  }
  return uses;
}

function pointAt(model: StoredModel, name: string): CutPoint | undefined {
  const value = model.values.get(name);
  const dims = value?.shape;
  if (!dims || dims.length < 2) return undefined;
  // Features are kept as float32; what goes into the model is whatever it takes.
  const isInput = model.inputs.some((input) => input.name === name);
  if (value.dtype !== 'float32' && !isInput) return undefined;
  const shape = dims.slice(1).map(Number);
  if (!shape.every(Number.isInteger)) return undefined;
  return { name, shape, width: shape.reduce((product, dim) => product * dim, 1) };
}
