import type { KerasGraph, KerasLayer } from '../keras/model.ts';
import { sizeOf } from '../tensor.ts';
import type { Line } from './lines.ts';

/**
 * The lines with their parameters counted as Keras counts them, in the file's own weights: a converted layer may hold
 * them in other shapes.
 */
export function withKerasWeights(lines: readonly Line[], graph: KerasGraph): readonly Line[] {
  const layers = new Map(everyLayer(graph));
  return lines.map((line) => {
    const layer = layers.get(line.name);
    return layer ? { ...line, ...countsOf(layer) } : line;
  });
}

/** Lines without shapes, for a model that cannot be converted. */
export function kerasLines(graph: KerasGraph): readonly Line[] {
  const layers = [...everyLayer(graph)];
  const position = new Map(layers.map(([name], i) => [name, i]));
  return layers.map(([name, layer]) => {
    const counts = countsOf(layer);
    return {
      ...counts,
      name,
      class: layer.savedClassName,
      shape: undefined,
      weightBytes: counts.parameters * 4,
      inputs: layer.calls.flatMap(({ inputs }) =>
        inputs.flatMap((input) => position.get(input.layer) ?? []),
      ),
      activations: undefined,
    };
  });
}

function* everyLayer(graph: KerasGraph, prefix = ''): Generator<readonly [string, KerasLayer]> {
  for (const layer of graph.layers) {
    const name = `${prefix}${layer.name}`;
    if (layer.model) yield* everyLayer(layer.model, `${name}/`);
    yield [name, layer];
  }
}

function countsOf({
  className,
  weights,
  config,
}: KerasLayer): Pick<Line, 'parameters' | 'trainable' | 'isFrozen'> {
  const sizes = weights.map(({ source }) => sizeOf(source.shape));
  // Moving mean and variance come last among the weights of BatchNormalization
  const learning = className === 'BatchNormalization' ? sizes.slice(0, -2) : sizes;
  return {
    parameters: sum(sizes),
    trainable: className === 'Normalization' ? 0 : sum(learning),
    isFrozen: config['trainable'] === false,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
