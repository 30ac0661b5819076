import { type DraftGraph, everyLayer } from './draft.ts';
import { runningForm, type WeightOrigin } from './forms.ts';
import { isBeforeKeras2 } from './legacy.ts';
import type { Decision, Recipe } from './model.ts';
import { quantizationOf } from './quantized.ts';
import type { Stored } from './stored.ts';

/** Which Keras wrote the file. */
export function generationDecision({ generation, version, evidence }: Stored): Decision {
  const value = version === undefined ? generation : `${generation} (${version})`;
  return { subject: 'generation', value, evidence };
}

interface Knowledge {
  readonly origin: WeightOrigin;
  readonly recipe: Recipe | undefined;
  /** Whether Dropout was asked to scale at inference. */
  readonly scaled: boolean;
}

/** What was concluded about single layers: functions of Lambdas, and what BatchNormalization's weights are. */
export function layerDecisions(graph: DraftGraph, knowledge: Knowledge): Decision[] {
  return [
    ...lambdas(graph, knowledge),
    ...normalizations(graph, knowledge),
    ...dropouts(graph, knowledge),
    ...quantisations(graph),
  ];
}

function quantisations(graph: DraftGraph): Decision[] {
  const layers = [...everyLayer(graph)].filter(({ config }) => quantizationOf(config));
  if (layers.length === 0) return [];
  return [
    {
      subject: 'quantised layers',
      value: 'weights as float32',
      evidence: `${layers.length} layers are int8: their weights are given back as numbers, and what flows between layers is not rounded as Keras does`,
    },
  ];
}

function dropouts(graph: DraftGraph, { scaled, origin }: Knowledge): Decision[] {
  const has = [...everyLayer(graph)].some(({ className }) => className === 'Dropout');
  if (!has || origin.generation !== 'Keras 0') return [];
  return [
    {
      subject: 'dropout at inference',
      value: scaled ? 'multiplies by 1 − p' : 'does nothing',
      evidence: scaled ? 'as asked' : 'Keras 0.3 and later did nothing; Keras up to 0.2 scaled',
      overrule: '--legacy-dropout-scale',
    },
  ];
}

function lambdas(graph: DraftGraph, { recipe }: Knowledge): Decision[] {
  const evidence = recipe
    ? `the recipe ${recipe.name}`
    : 'the name of its Python function, which is read and never run';
  return [...everyLayer(graph)].flatMap((layer) => {
    const name = layer.config['function'];
    if (layer.className !== 'Lambda' || typeof name !== 'string') return [];
    return [{ subject: `lambda ${layer.name}`, value: name, evidence }];
  });
}

function normalizations(graph: DraftGraph, { origin, recipe }: Knowledge): Decision[] {
  const layer = [...everyLayer(graph)].find(({ className }) => className === 'BatchNormalization');
  if (!layer || !isBeforeKeras2(origin.generation)) return [];
  const isStd = runningForm(origin) === 'std';
  const value = isStd ? 'standard deviation' : 'variance';
  const form = {
    subject: 'running_std',
    value,
    evidence: formEvidence(isStd, origin),
    overrule: '--bn-running-std variance|std',
  };
  if (!recipe) return [form];
  const epsilon = {
    subject: 'epsilon of BatchNormalization',
    value: String(layer.config['epsilon']),
    evidence: `the recipe ${recipe.name}; the default was 1e-3 from Keras 1.2 on, 1e-5 from 1.0.8 to 1.1.2; the file does not say`,
    overrule: '--arch FILE',
  };
  return [form, epsilon];
}

function formEvidence(isStd: boolean, { version, running }: WeightOrigin): string {
  if (running) return 'as asked';
  if (isStd) return 'Keras up to 1.0.6 stored standard deviations';
  return version === undefined
    ? 'no version is stated; Keras 1.0.7 and later stored variances under this name'
    : `Keras ${version} stored variances under this name`;
}
