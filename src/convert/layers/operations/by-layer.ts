import type { Json } from '../../../keras/config.ts';
import type { KerasLayer } from '../../../keras/model.ts';
import type { TensorSource } from '../../../tensor.ts';
import { Arguments } from '../../arguments.ts';
import { type Layer, Parameters } from '../../layer.ts';
import type { KerasTensor } from '../../layout.ts';
import type { OperationCall } from './call.ts';

/** What a layer of such a config, with the constants of the call as weights, puts out for a tensor. */
export function byLayer(
  layer: Layer,
  {
    config,
    weights = [],
  }: { readonly config: Json; readonly weights?: readonly (TensorSource | undefined)[] },
  { bench, x }: OperationCall,
): KerasTensor {
  const [className] = layer.keras;
  const given = weights.filter((source) => source !== undefined);
  const keras: KerasLayer = {
    name: bench.layer,
    className,
    savedClassName: className,
    config,
    weights: given.map((source, i) => ({ name: `constant_${i}`, source })),
    calls: [],
    path: bench.where.path ?? '',
  };
  const [output] = layer.convert({
    ...bench,
    keras,
    given: new Arguments({ kwargs: {} }, [x]),
    parameters: new Parameters(bench.graph, bench.layer),
    apply: () => {
      throw new Error('Bug: the layer of an operation wraps no other');
    },
  });
  if (!output) throw new Error(`Bug: ${className} put out nothing`);
  return output;
}
