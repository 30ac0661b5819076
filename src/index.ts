export {
  type CallOptions,
  type ClassifyOptions,
  type ClientOptions,
  GraftClient,
  type ImageContent,
  type ModelCallOptions,
} from './client/client.ts';
export { type Exchange, ServerError } from './client/fault.ts';
export type { InferRequest, InferResult } from './client/inference.ts';
export type {
  Classification,
  ClassScore,
  InputTensor,
  ModelMetadata,
  OutputTensor,
  RepositoryEntry,
  ServerMetadata,
  TensorData,
  TensorMetadata,
  TensorType,
} from './client/protocol.ts';
export {
  type ConversionReport,
  type ConvertOptions,
  convert,
} from './convert/convert.ts';
export {
  type Bench,
  defineLayer,
  type Emission,
  type Layer,
  type LayerRule,
  type WeightShapes,
} from './convert/layer.ts';
export { elementwise, type KerasTensor, kerasTensor, type Layouts } from './convert/layout.ts';
export { type ErrorCode, errorCodes, ToolkitError, type Where } from './errors.ts';
export { type PullOptions, type PullResult, pull } from './fetch/pull.ts';
export { type Inspection, type InspectOptions, inspect } from './inspect/inspect.ts';
export type { Decision, Generation, Kernels } from './keras/model.ts';
export { type LayerRecord, type ModelCard, type Preprocess, readCard } from './onnx/card.ts';
export { GraphBuilder } from './onnx/graph.ts';
export { type PackOptions, packModel, unpackModel } from './onnx/pack.ts';
export { readModel, type StoredModel } from './onnx/read.ts';
export type { WrittenModel } from './onnx/write.ts';
export { type BatchOptions, type ImageBatch, imageBatches } from './runtime/batches.ts';
export {
  type ImageFolder,
  type LabelledFile,
  listImageFolder,
  listImages,
  type SkippedFile,
} from './runtime/folder.ts';
export { classNames, type LoadedModel, type LoadOptions, loadModel } from './runtime/model.ts';
export { type Prediction, type PredictOptions, predict, type Score } from './runtime/predict.ts';
export type { Provider } from './runtime/providers.ts';
export { openSession, type Session, type SessionOptions, type Tensor } from './runtime/session.ts';
export {
  contactSheet,
  type SheetItem,
  type SheetOptions,
  writeContactSheet,
} from './show/sheet.ts';
export { floatSource } from './source.ts';
export type { DType, Shape, TensorSource, Value } from './tensor.ts';
export { type FeatureCut, popLayer } from './train/cut.ts';
export { extractFeatures, type FeatureSet } from './train/dataset.ts';
export type { StageRecord } from './train/epoch.ts';
export type { TrainEvent } from './train/events.ts';
export type { FeatureOptions } from './train/feature-options.ts';
export {
  type EpochRecord,
  type Fit,
  type FitOptions,
  fitHead,
  type LabelledFeatures,
} from './train/fit.ts';
export { type DenseHeadOptions, denseHead, type Head } from './train/head.ts';
export { fitLogistic, type LabelledRows, type LogisticRegression } from './train/logistic.ts';
export type { Batch } from './train/network-feeds.ts';
export type { DropoutSite, NetworkPlan, TrainedParameter } from './train/network-plan.ts';
export {
  type NetworkOptions,
  type NetworkTraining,
  openNetworkTraining,
  type StepMeasures,
  type StepOptions,
  type TrainingState,
} from './train/network-training.ts';
export { makeOptimizer, type OptimizerOptions } from './train/optimizers.ts';
export type { ArrayOptions, CheckpointOptions, TrainOptions } from './train/options.ts';
export { parseStage, type StageOptions } from './train/plan/stage.ts';
export { pseudoLabels, trainWithPseudoLabels } from './train/pseudo-labels.ts';
export { findRate, type RateCurve } from './train/rate-finder.ts';
export { type Replayed, type ReplayOptions, replay } from './train/replay.ts';
export { type NewEnd, splice } from './train/splice.ts';
export { type TrainResult, train } from './train/train.ts';
export {
  type Verification,
  type Verified,
  type VerifyOptions,
  verify,
} from './verify/verify.ts';
