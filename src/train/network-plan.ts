import type { GraphBuilder } from '../onnx/graph.ts';
import type { BatchStatistics } from './batch-statistics.ts';
import type { NetworkLoss } from './network-loss.ts';
import type { Optimizer } from './optimizers.ts';
import type { ParameterSettings } from './update.ts';

/** A parameter that the optimizer moves, by the name of its initializer. */
export interface TrainedParameter extends ParameterSettings {
  readonly name: string;
}

/** Where numbers are dropped while training. */
export interface DropoutSite {
  /** The value of which they are. */
  readonly at: string;
  /** The share that is dropped; the rest is made larger by 1 / (1 - rate). */
  readonly rate: number;
}

/** A network and how it is trained. */
export interface NetworkPlan extends NetworkLoss {
  /** In inference form: inputs [n, ...] are what is fed, the first output is what is judged. */
  readonly graph: GraphBuilder;
  /** Running statistics of BatchNormalization are not among them: they follow `batchNormalization`. */
  readonly parameters: readonly TrainedParameter[];
  /** Default `frozen`: the statistics in the file are used and stay. */
  readonly batchNormalization?: 'frozen' | BatchStatistics | undefined;
  readonly dropout?: readonly DropoutSite[] | undefined;
  readonly optimizer: Optimizer;
  /** Rows of a batch; the last one may have fewer. */
  readonly batchSize: number;
}
