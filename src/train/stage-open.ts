import { rm } from 'node:fs/promises';
import { neededFor, spliceModel } from '../onnx/edit.ts';
import { GraphBuilder } from '../onnx/graph.ts';
import { readModel, type StoredModel } from '../onnx/read.ts';
import type { SessionOptions } from '../runtime/session.ts';
import { floatSource } from '../source.ts';
import type { DataSource, Part, Prepared } from './data/source.ts';
import { fittedTargets, sampleWeights } from './data/targets.ts';
import type { Measure } from './epoch.ts';
import { denseHead } from './head.ts';
import { openLoopTrainer } from './loop-trainer.ts';
import { type LossName, losses } from './losses.ts';
import { openNetworkTrainer } from './network-trainer.ts';
import type { CutPoint } from './plan/cut-point.ts';
import { graphOfPart, type Learned, type TrainedNetwork } from './plan/network.ts';
import type { PlannedStage } from './plan/report.ts';
import { dropoutSites, normalisationNodes, rateFactors } from './plan/sites.ts';
import { schedules } from './schedules.ts';
import type { Settings } from './settings.ts';
import type { Examples, Trainer } from './trainer.ts';

/** All that stays the same over the stages of a plan. */
export interface Campaign extends Pick<SessionOptions, 'provider' | 'threads'> {
  readonly network: TrainedNetwork;
  readonly source: DataSource;
  readonly settings: Settings;
  readonly loss: LossName;
  /** Numbers that the model puts out a sample. */
  readonly outputs: number;
  /** Whether every step is to be seen, also where an epoch could be one run. */
  readonly isStepwise?: boolean | undefined;
  /** Where a model with what was learned before may lie for the time of a stage. */
  readonly scratch: string;
}

/** A stage ready to be trained. Whoever opened it closes it. */
export interface OpenStage {
  readonly trainer: Trainer;
  readonly train: Examples;
  readonly valid: Examples | undefined;
  readonly prepared: { readonly train: Prepared; readonly valid: Prepared | undefined };
  readonly close: () => Promise<void>;
}

/** Computes the features of the frozen part, and opens what trains the rest. */
export async function openStage(
  campaign: Campaign,
  stage: { readonly number: number; readonly planned: PlannedStage },
  learned: Learned,
): Promise<OpenStage> {
  const { source } = campaign;
  const closing: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const each of closing.splice(0).toReversed()) await each();
  };
  try {
    const { cut } = stage.planned.part;
    const frozen = await frozenModel(campaign, cut, learned);
    closing.push(frozen.close);
    const prepare = async (part: Part): Promise<Prepared> => {
      const prepared = await source.prepare({
        part,
        model: frozen.model,
        cut,
        stage: stage.number,
      });
      closing.push(prepared.close);
      return prepared;
    };
    const train = await prepare('train');
    const valid = source.counts.valid > 0 ? await prepare('valid') : undefined;
    const trainer = await openTrainer(campaign, stage.planned, { learned, train });
    closing.push(() => trainer.close());
    const weights = sampleWeights(train.labels, source.classes, campaign.settings.classWeights);
    return {
      trainer,
      train: { ...examplesOf(train, campaign), weights },
      valid: valid && examplesOf(valid, campaign),
      prepared: { train, valid },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function examplesOf({ examples, labels }: Prepared, { loss, outputs }: Campaign): Examples {
  return { rows: examples.rows, targets: fittedTargets(examples, labels, { loss, outputs }) };
}

interface FrozenModel {
  readonly model: StoredModel;
  readonly close: () => Promise<void>;
}

/** The base, or where its frozen part has learned in an earlier stage, a file of that part with its new numbers. */
async function frozenModel(
  { network: { base }, scratch }: Campaign,
  cut: CutPoint,
  learned: Learned,
): Promise<FrozenModel> {
  const replaced = replacements(base, learned, cut.name);
  if (replaced.size === 0) return { model: base, close: () => Promise.resolve() };
  const graph = new GraphBuilder();
  graph.output(graph.input(cut.name, 'float32', ['N', ...cut.shape]));
  const splice = { at: cut.name, head: graph, metadata: {}, replaced, force: true };
  await spliceModel(base, scratch, splice);
  return { model: readModel(scratch), close: () => rm(scratch, { force: true }) };
}

/** What was learned of the weights before a value, as sources; a head that is replaced may have had the same names. */
export function replacements(
  base: StoredModel,
  learned: Learned,
  at: string,
): ReadonlyMap<string, ReturnType<typeof floatSource>> {
  const { values } = neededFor(base, [at]);
  return new Map(
    [...learned].flatMap(([name, numbers]) => {
      const tensor = base.initializers.get(name);
      if (!tensor || !values.has(name)) return [];
      return [[name, floatSource(tensor.shape, numbers)] as const];
    }),
  );
}

interface Opening {
  readonly learned: Learned;
  readonly train: Prepared;
}

/** A Dense head alone, on features that stay the same, goes an epoch at a time; everything else step by step. */
async function openTrainer(
  campaign: Campaign,
  planned: PlannedStage,
  opening: Opening,
): Promise<Trainer> {
  const { provider, threads } = campaign;
  const loop = loopPlan(campaign, planned, opening);
  if (loop) return openLoopTrainer(loop, { provider, threads });
  return openNetworkTrainer(networkPlan(campaign, planned, opening.learned), { provider, threads });
}

function loopPlan(
  campaign: Campaign,
  planned: PlannedStage,
  { learned, train }: Opening,
): Parameters<typeof openLoopTrainer>[0] | undefined {
  const { network, loss, outputs } = campaign;
  const { part, settings: stage } = planned;
  const dropout = plainDropout(campaign);
  const isKept = train.examples.rows.isKept && part.cut.name === network.at;
  if (dropout === undefined || !isKept || !isSimple(campaign, planned)) return undefined;
  const { seed, name } = network.headPlan;
  const head = denseHead({ features: part.cut.width, classes: outputs, seed, name, dropout });
  const parameters = head.parameters.map((parameter) => ({
    ...parameter,
    numbers: learned.get(parameter.name) ?? parameter.numbers,
  }));
  const { optimizer, batchSize } = stage;
  return { head: { ...head, parameters }, loss, optimizer, batchSize };
}

/** The rate of the Dropout of a head that is just one Dense with a softmax; `undefined` for another head. */
function plainDropout({ network: { headPlan } }: Campaign): number | undefined {
  const [last, first, ...others] = headPlan.layers.toReversed();
  const isPlain = last?.kind === 'dense' && (last.activation ?? headPlan.activation) === 'softmax';
  if (!isPlain || others.length > 0) return undefined;
  if (!first) return 0;
  return first.kind === 'dropout' ? first.rate : undefined;
}

/** What is told of a training besides its loss. */
export function ownMeasure({ classes }: Pick<DataSource, 'classes'>): Measure {
  return classes ? 'acc' : 'mae';
}

/** Whether an epoch can be one run: its rate is one, every sample counts the same, and nothing is added to the loss. */
function isSimple(
  { settings, loss, source, isStepwise }: Campaign,
  { settings: stage }: PlannedStage,
): boolean {
  const isPlainLoss =
    source.classes !== undefined &&
    losses[loss].targets === 'scores' &&
    settings.l2 === 0 &&
    settings.labelSmoothing === 0;
  const isPlainStage =
    !schedules[stage.schedule.name].isPerStep &&
    stage.dropout === undefined &&
    Object.keys(stage.factors).length === 0;
  return isPlainLoss && isPlainStage && settings.classWeights === undefined && isStepwise !== true;
}

function networkPlan(
  { network, settings, loss, source }: Campaign,
  { part, parameters, settings: stage }: PlannedStage,
  learned: Learned,
): Parameters<typeof openNetworkTrainer>[0] {
  const graph = graphOfPart(network, part.cut, learned);
  const factor = rateFactors(network, stage.factors);
  const isKernel = (name: string): boolean => (graph.initializers.get(name)?.shape.length ?? 0) > 1;
  const fresh = part.layers.filter(({ name }) => network.head.has(name));
  const normalising = normalisationNodes(
    graph,
    settings.batchNorm === 'train' ? part.layers : network.headPlan.layers.length > 0 ? fresh : [],
  );
  return {
    graph,
    parameters: parameters.map((name) => ({
      name,
      rate: factor(name),
      ...(settings.l2 > 0 && isKernel(name) && { l2: settings.l2 }),
    })),
    ...(normalising.length > 0 && {
      batchNormalization: { nodes: normalising, keras: stage.optimizer.keras },
    }),
    dropout: dropoutSites(graph, network.layers, stage.dropout ?? settings.dropout),
    loss,
    measure: ownMeasure(source),
    labelSmoothing: settings.labelSmoothing,
    optimizer: stage.optimizer,
    batchSize: stage.batchSize,
  };
}
