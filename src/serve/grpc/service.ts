import { ToolkitError } from '../../errors.ts';
import type { ServeContext } from '../context.ts';
import { configOf, indexOf, metadataOf, statisticsOf } from '../models/metadata.ts';
import { parseJsonConfig } from '../models/model-config.ts';
import { findTarget } from '../models/target.ts';
import { invalid } from '../request/check.ts';
import { errorText, shown, statusOf } from '../request/faults.ts';
import type { RequestedOutput } from '../request/infer.ts';
import { isObject, type JsonObject, listIn, objectIn } from '../request/request-json.ts';
import { tellRefusal } from '../request/told.ts';
import { refusalOf, unserved } from '../request/unserved.ts';
import type { GrpcCall, GrpcDoor, Unary } from './grpc.ts';
import { numberOf, readGrpcInputs, textOf, writeGrpcOutputs } from './tensors.ts';

/** Adds the Open Inference Protocol's service, with Triton's calls, and gRPC's own health service. */
export function addInferenceService(door: GrpcDoor, context: ServeContext): void {
  const { models, name, version, extensions } = context;
  door.add({
    proto: 'inference.proto',
    name: 'inference.GRPCInferenceService',
    unary: {
      ServerLive: () => ({ live: true }),
      ServerReady: () => ({ ready: context.isReady() }),
      ServerMetadata: () => ({ name, version, extensions }),
      ModelReady: (message) => ({ ready: isModelReady(context, whichOf(message)) }),
      ModelMetadata: (message) => metadataOf(models, whichOf(message)),
      ModelConfig: (message) => ({ config: configOf(models, whichOf(message)) }),
      ModelStatistics: (message) => ({ model_stats: statisticsOf(models, whichOf(message)) }),
      ModelInfer: (message, call) => infer(context, message, call),
      RepositoryIndex: (message) => ({ models: indexOf(models, message['ready'] === true) }),
      RepositoryModelLoad: async (message) => load(context, message),
      async RepositoryModelUnload(message) {
        await models.unload(textOf(message['model_name']));
        return {};
      },
      ...unservedCalls(),
    },
    streams: {
      async ModelStreamInfer(message, call) {
        try {
          return { infer_response: await infer(context, message, call) };
        } catch (fault) {
          const path = '/inference.GRPCInferenceService/ModelStreamInfer';
          const requestId = call.header('x-request-id');
          const { grpc: status } = statusOf(fault);
          tellRefusal(fault, { door: 'grpc', path, status, requestId }, context.refused);
          // A stream outlives a request that fails; its id says which one it was.
          return { error_message: errorText(fault), infer_response: { id: textOf(message['id']) } };
        }
      },
    },
  });
  addHealth(door, context);
}

function unservedCalls(): Readonly<Record<string, Unary>> {
  const rows = unserved.flatMap((one) =>
    one.calls.map((call): readonly [string, Unary] => [
      call,
      () => {
        throw refusalOf(one);
      },
    ]),
  );
  return Object.fromEntries(rows);
}

interface Which {
  readonly model: string;
  readonly version: string | undefined;
}

function whichOf(message: JsonObject): Which {
  const version = textOf(message['version']);
  return { model: textOf(message['name']), version: version === '' ? undefined : version };
}

function isModelReady({ models }: ServeContext, which: Which): boolean {
  try {
    return findTarget(models, which).served.version !== '';
  } catch (fault) {
    if (fault instanceof ToolkitError && fault.code === 'MODEL_NOT_READY') return false;
    throw fault;
  }
}

async function infer(context: ServeContext, message: JsonObject, call: GrpcCall): Promise<object> {
  const parameters = objectIn(message, 'parameters', 'the request');
  const timeoutUs = parameterOf(parameters, 'timeout');
  const limits = [call.timeoutMs, timeoutUs ? timeoutUs / 1000 : undefined];
  const id = textOf(message['id']);
  const version = textOf(message['model_version']);
  const response = await context.infer({
    model: textOf(message['model_name']),
    version: version === '' ? undefined : version,
    id,
    inputs: readGrpcInputs(message),
    outputs: listIn(message, 'outputs', 'the request').map(outputOf),
    timeoutMs: Math.min(...limits.map((limit) => limit ?? Infinity)),
    leaving: call.leaving,
    door: 'grpc',
    requestId: call.header('x-request-id'),
    traceparent: call.header('traceparent'),
  });
  const { model, version: model_version, outputs } = response;
  return { model_name: model, model_version, id, ...writeGrpcOutputs(outputs) };
}

function outputOf(output: JsonObject): RequestedOutput {
  const name = textOf(output['name']);
  const parameters = objectIn(output, 'parameters', `output '${name}'`);
  return { name, classification: parameterOf(parameters, 'classification') };
}

/** A number among the parameters, whichever of the kinds it was sent as. */
function parameterOf(parameters: JsonObject, name: string): number | undefined {
  const parameter = parameters[name];
  if (!isObject(parameter)) return undefined;
  const kind = textOf(parameter['parameter_choice']);
  return kind === 'string_param' || kind === '' ? undefined : numberOf(parameter[kind]);
}

async function load({ models }: ServeContext, message: JsonObject): Promise<object> {
  const parameters = objectIn(message, 'parameters', 'the request');
  if (Object.keys(parameters).some((key) => key.startsWith('file:'))) {
    throw new ToolkitError('REQUEST_UNSUPPORTED', 'Models are not taken from requests', {
      hint: 'Put the file into the folder of models, and load it from there.',
    });
  }
  const { config } = parameters;
  const text = isObject(config) ? config['string_param'] : undefined;
  if (config !== undefined && typeof text !== 'string') {
    throw invalid("'config' of the parameters must be a string with JSON in it");
  }
  const parsed = typeof text === 'string' ? parseJsonConfig(text) : undefined;
  await models.load(textOf(message['model_name']), parsed);
  return {};
}

/** Milliseconds between looks of those who watch the health. */
const watchMs = 1000;

function addHealth(door: GrpcDoor, context: ServeContext): void {
  const healthOf = (service: string): string | undefined => {
    const isServer = service === '' || service === 'inference.GRPCInferenceService';
    if (isServer) return context.isReady() ? 'SERVING' : 'NOT_SERVING';
    if (!context.models.has(service)) return undefined;
    return context.models.versions(service).length > 0 ? 'SERVING' : 'NOT_SERVING';
  };
  door.add({
    proto: 'health.proto',
    name: 'grpc.health.v1.Health',
    unary: {
      Check(message) {
        const service = textOf(message['service']);
        const status = healthOf(service);
        if (status !== undefined) return { status };
        throw new ToolkitError(
          'MODEL_UNKNOWN',
          `There is no service or model '${shown(service)}'`,
          {
            hint: 'Ask for the health of "" or of a model.',
          },
        );
      },
    },
    watches: {
      Watch(message, call, send) {
        const service = textOf(message['service']);
        let last = '';
        const look = (): void => {
          const status = healthOf(service) ?? 'SERVICE_UNKNOWN';
          if (status !== last) send({ status });
          last = status;
        };
        look();
        const timer = setInterval(look, watchMs).unref();
        call.leaving.whenLeft(() => clearInterval(timer));
      },
    },
  });
}
