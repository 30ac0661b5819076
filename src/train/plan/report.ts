import type { Provider } from '../../runtime/providers.ts';
import { sizeOf } from '../../tensor.ts';
import type { DataSource, Holding } from '../data/source.ts';
import type { LossName } from '../losses.ts';
import { neverWhole } from '../network-pieces.ts';
import type { StageSettings } from '../settings.ts';
import type { PlanLayer } from './layers.ts';
import { graphOfPart, partOf, type StagePart, type TrainedNetwork } from './network.ts';
import { type PartMemory, partMemory, trainableNames } from './sites.ts';

/** A stage as it will be trained. */
export interface PlannedStage {
  readonly settings: StageSettings;
  readonly part: StagePart;
  /** Names of the weights that the optimizer moves. */
  readonly parameters: readonly string[];
  /** Numbers in them. */
  readonly size: number;
  readonly memory: PartMemory;
  /** Bytes of the features of all training samples. */
  readonly featureBytes: number;
  /** Where those are while the stage runs. */
  readonly holding: Holding;
}

/** What will be trained, on what and how: told before it begins. */
export interface PlanReport {
  readonly classes: readonly string[] | undefined;
  /** Layers taken off. */
  readonly removed: readonly string[];
  /** The value behind which the new head comes. */
  readonly at: string;
  readonly width: number;
  /** Layers of the new head; none where the model keeps its own. */
  readonly head: readonly PlanLayer[];
  readonly loss: LossName;
  readonly stages: readonly PlannedStage[];
  readonly trainSamples: number;
  readonly validSamples: number;
}

/** Looks at each stage of a plan before any work. Throws what `partOf` throws, and GRADIENT_MISSING. */
export function plannedStages(
  network: TrainedNetwork,
  stages: readonly StageSettings[],
  {
    source: { counts, holding },
    provider = 'cpu',
  }: {
    readonly source: Pick<DataSource, 'counts' | 'holding'>;
    readonly provider?: Provider | undefined;
  },
): readonly PlannedStage[] {
  return stages.map((settings) => {
    const part = partOf(network, settings.train);
    const graph = graphOfPart(network, part.cut, new Map());
    const parameters = trainableNames(graph, part.layers);
    const sizes = parameters.map((name) => sizeOf(graph.initializers.get(name)?.shape ?? [0]));
    return {
      settings,
      part,
      parameters,
      size: sizes.reduce((sum, size) => sum + size, 0),
      memory: partMemory(graph, {
        parameters,
        inFactors: neverWhole(
          {
            graph,
            parameters: parameters.map((name) => ({ name })),
            optimizer: settings.optimizer,
          },
          provider,
        ),
        slots: settings.optimizer.slots.length,
        batchSize: settings.batchSize,
      }),
      featureBytes: 4 * counts.train * part.cut.width,
      holding: holding(network.base, part.cut),
    };
  });
}
