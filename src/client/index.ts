export { ToolkitError } from '../errors.ts';
export {
  type CallOptions,
  type ClassifyOptions,
  type ClientOptions,
  GraftClient,
  type ImageContent,
  type ModelCallOptions,
} from './client.ts';
export { type Exchange, ServerError } from './fault.ts';
export type { InferRequest, InferResult } from './inference.ts';
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
} from './protocol.ts';
