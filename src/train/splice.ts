import { cardMetadata, type LayerRecord, type ModelCard } from '../onnx/card.ts';
import { neededFor, spliceModel } from '../onnx/edit.ts';
import { GraphBuilder } from '../onnx/graph.ts';
import type { StoredModel } from '../onnx/read.ts';
import type { FeatureCut } from './cut.ts';
import { emitHead, type Head } from './head.ts';

/** A head with its numbers, and what the new model says of itself. */
export interface NewEnd {
  readonly head: Head;
  /** In the order of the head's parameters. */
  readonly numbers: readonly Float32Array[];
  /** Parts of the card that are new; the rest is the base's. */
  readonly card: Pick<ModelCard, 'classes' | 'history' | 'preprocess'>;
  readonly force?: boolean | undefined;
}

/**
 * Writes the whole model: the base up to the cut, byte for byte, and the new head.
 *
 * The head's dropout is not in it: it does nothing at inference. Throws OUTPUT_EXISTS, OUTPUT_UNWRITABLE.
 */
export async function splice(
  base: StoredModel,
  cut: FeatureCut,
  end: NewEnd,
  target: string,
): Promise<{ readonly bytes: number }> {
  const graph = new GraphBuilder();
  const shape = base.values.get(cut.at)?.shape ?? ['N', cut.width];
  const feature = graph.input(cut.at, 'float32', shape);
  const output = emitHead(graph, end.head, feature, end.numbers);
  graph.output(output);
  const layers = cut.layers && [...cut.layers, ...recordsOf(end.head, cut)];
  return spliceModel(base, target, {
    at: cut.at,
    head: graph,
    metadata: cardMetadata({ ...end.card, layers }),
    force: end.force,
  });
}

/** A name for a head that nothing of the part that stays has, nor anything in a folder of that name. */
export function freeHeadName(base: StoredModel, at: string): string {
  const { values, nodes } = neededFor(base, [at]);
  const taken = [...values, ...[...nodes].map(({ name }) => name)];
  const isTaken = (name: string): boolean =>
    taken.some((other) => other === name || other.startsWith(`${name}/`));
  let name = 'head';
  for (let i = 1; isTaken(name); i++) name = `head_${i}`;
  return name;
}

/** The head as Keras layers; its Dropout too, so that the next head finds the rate. */
function recordsOf(
  { name, classes, dropout, parameters }: Head,
  { at, width }: FeatureCut,
): LayerRecord[] {
  const dense: LayerRecord = {
    name,
    class: 'Dense',
    output: name,
    shape: [null, classes],
    parameters: parameters.map((parameter) => ({
      name: parameter.name,
      shape: [...parameter.shape],
    })),
  };
  if (dropout === 0) return [dense];
  const before = { name: `${name}_dropout`, class: 'Dropout', output: at, parameters: [] };
  return [{ ...before, shape: [null, width], rate: dropout }, dense];
}
