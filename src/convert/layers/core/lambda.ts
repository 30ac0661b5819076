import type { ConfigReader } from '../../../keras/config.ts';
import type { KerasGraph, KerasLayer } from '../../../keras/model.ts';
import { defineLayer, type Layer, unsupported } from '../../layer.ts';
import { readDataFormat } from '../../read.ts';
import { type Preset, presetForms, presetNamed } from './lambda-presets.ts';

/** Presets by the names of Lambda layers or of their functions. */
export type Lambdas = Readonly<Record<string, string>>;

function functionOf(config: ConfigReader): string | undefined {
  const name = config.raw('function');
  return typeof name === 'string' ? name : undefined;
}

/** What a Lambda may be called when it is said what it computes: its full name, its own name, its function's. */
function keysOf(layer: string, name: string | undefined): readonly string[] {
  return [layer, layer.split('/').at(-1) ?? layer, ...(name === undefined ? [] : [name])];
}

/** Every name by which the Lambda layers of a model may be called. */
export function lambdaKeys(graph: KerasGraph, prefix = ''): readonly string[] {
  return graph.layers.flatMap((layer) => layerKeys(layer, `${prefix}${layer.name}`));
}

function layerKeys(layer: KerasLayer, name: string): readonly string[] {
  const inner = [
    ...(layer.model ? lambdaKeys(layer.model, `${name}/`) : []),
    ...(layer.wrapped ?? []).flatMap((each) => layerKeys(each, `${name}/${each.name}`)),
  ];
  const { function: written } = layer.config;
  const called = typeof written === 'string' ? written : undefined;
  return layer.className === 'Lambda' ? [...keysOf(name, called), ...inner] : inner;
}

/** What the user says comes first, by the layer's name, then by the function's; then functions known by name. */
function presetOf(
  config: ConfigReader,
  layer: string,
  lambdas: Lambdas,
): Preset | { readonly unknown: string } | undefined {
  const name = functionOf(config);
  const key = keysOf(layer, name).find((candidate) => Object.hasOwn(lambdas, candidate));
  const asked = key === undefined ? undefined : lambdas[key];
  const preset = presetNamed(asked ?? name ?? '');
  return preset ?? (asked === undefined ? undefined : { unknown: asked });
}

/** What a Lambda's function does to an image, for the model card; `undefined` where that is not known. */
export function lambdaDoes(
  config: ConfigReader,
  layer: string,
  lambdas: Lambdas,
): string | undefined {
  const preset = presetOf(config, layer, lambdas);
  return preset && 'does' in preset ? preset.does : undefined;
}

/**
 * Lambda: a file holds Python code, which is never run, so what it computes is known by its name or said by the user.
 *
 * Source: keras/src/layers/core/lambda_layer.py.
 */
export function lambdaRule(lambdas: Lambdas): Layer {
  return defineLayer({
    keras: ['Lambda'],
    inputs: 'many',
    read(config, _, where) {
      const layer = where.layer ?? '';
      const preset = presetOf(config, layer, lambdas);
      if (preset && 'emit' in preset) return { preset, dataFormat: readDataFormat(config) };
      const name = functionOf(config);
      const what = name === undefined ? 'a function without a name' : `the function "${name}"`;
      throw unsupported(
        preset
          ? `"${preset.unknown}" is no preset for a Lambda layer`
          : `A Lambda layer holds Python code (${what}), which cannot be converted`,
        where,
        `Say what it computes with --lambda ${layer}=PRESET, or rebuild the model without it. Presets: ${presetForms.join(', ')}.`,
      );
    },
    weights: () => ({}),
    emit: ({ config, input, ...bench }) => config.preset.emit(input, config.dataFormat, bench),
  });
}

/** Lambda without a word from the user. */
export const lambda: Layer = lambdaRule({});
