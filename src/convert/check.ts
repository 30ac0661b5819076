import { ToolkitError } from '../errors.ts';
import type { KerasGraph, KerasModel } from '../keras/model.ts';
import { layerNamed, layerNames } from './layers/index.ts';
import { whereOf } from './walk.ts';

/**
 * Reads every layer's config before anything is emitted.
 *
 * Throws one KERAS_LAYER_UNSUPPORTED for all layers that cannot be converted, KERAS_CONFIG_INVALID for the first
 * config that is wrong.
 */
export function checkLayers(model: KerasModel): void {
  const faults = faultsOf(model, model.graph, '');
  const [first, ...others] = faults;
  if (!first) return;
  if (others.length === 0) throw first;
  const lines = faults.map(
    ({ message, where }) => `  - layer "${where.layer ?? ''}": ${message.split('\n')[0] ?? ''}`,
  );
  const hints = [...new Set(faults.map(({ hint }) => hint))];
  throw new ToolkitError(
    'KERAS_LAYER_UNSUPPORTED',
    `${faults.length} layers cannot be converted:\n${lines.join('\n')}`,
    { where: { file: model.file }, hint: hints.join('\n  ') },
  );
}

function faultsOf(model: KerasModel, graph: KerasGraph, prefix: string): readonly ToolkitError[] {
  return graph.layers.flatMap((layer) => {
    const name = `${prefix}${layer.name}`;
    if (layer.model) return faultsOf(model, layer.model, `${name}/`);
    if (layer.className === 'InputLayer') return [];
    const where = whereOf(model, layer, name);
    const rule = layerNamed(layer.className);
    if (!rule) {
      return [
        new ToolkitError(
          'KERAS_LAYER_UNSUPPORTED',
          `The layer class "${layer.savedClassName}" cannot be converted`,
          { where, hint: `Layer classes that can: ${layerNames.join(', ')}.` },
        ),
      ];
    }
    try {
      rule.check(layer, model.origin, where);
      return [];
    } catch (error) {
      if (error instanceof ToolkitError && error.code === 'KERAS_LAYER_UNSUPPORTED') return [error];
      throw error;
    }
  });
}
