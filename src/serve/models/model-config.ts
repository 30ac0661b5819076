import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ToolkitError } from '../../errors.ts';
import { parseText, TextFault, type TextMessage, type TextValue } from './pbtxt.ts';

/** What a model's own configuration says; what it does not say is the server's choice. */
export interface ModelConfig {
  readonly name?: string | undefined;
  /** 0: the first axis is no batch. */
  readonly maxBatchSize?: number | undefined;
  /** How long a request may wait for others. */
  readonly delayMs?: number | undefined;
  readonly maxWaiting?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly instances?: number | undefined;
  readonly threads?: number | undefined;
  /** Which versions are served: the latest `n`, all, or these. */
  readonly versions?: VersionPolicy | undefined;
  /** The file of class names beside it, one a line. */
  readonly labels?: string | undefined;
  /** Outputs that it speaks of. */
  readonly outputs?: readonly string[] | undefined;
  /** Fields that have no meaning here. */
  readonly ignored: readonly string[];
}

/** Which versions of a model are served. */
type VersionPolicy =
  | { readonly kind: 'latest'; readonly count: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'specific'; readonly versions: readonly string[] };

const whole = z.coerce.number().int().nonnegative();
const first = <T extends z.ZodType>(schema: T) =>
  z
    .array(z.unknown())
    .transform((values) => values.at(-1))
    .pipe(schema)
    .optional();
const message = <T extends z.ZodRawShape>(shape: T) => first(z.looseObject(shape));

const queuePolicy = message({
  max_queue_size: first(whole),
  default_timeout_microseconds: first(whole),
});
const schema = z.looseObject({
  name: first(z.string()),
  max_batch_size: first(whole),
  dynamic_batching: message({
    max_queue_delay_microseconds: first(whole),
    default_queue_policy: queuePolicy,
  }),
  instance_group: message({ count: first(whole.min(1)) }),
  version_policy: message({
    latest: message({ num_versions: first(whole.min(1)) }),
    all: message({}),
    specific: message({ versions: z.array(z.string()).optional() }),
  }),
  parameters: z
    .array(
      z.object({ key: first(z.string()), value: message({ string_value: first(z.string()) }) }),
    )
    .optional(),
  output: z
    .array(z.looseObject({ name: first(z.string()), label_filename: first(z.string()) }))
    .optional(),
});

/** Fields that are understood, or say what the model file says as well. */
const known = new Set([...Object.keys(schema.shape), 'platform', 'backend', 'input']);

/** Reads a `config.pbtxt`. Throws MODEL_CONFIG_INVALID, naming the line or the field. */
export function readConfig(path: string): ModelConfig {
  return parseConfig(readFileSync(path, 'utf8'), path);
}

/** A configuration in protobuf's text form. Throws MODEL_CONFIG_INVALID. */
export function parseConfig(text: string, file: string): ModelConfig {
  try {
    return configOf(parseText(text));
  } catch (fault) {
    if (fault instanceof TextFault) throw configFault(fault.message, file);
    if (fault instanceof z.ZodError) throw configFault(issuesOf(fault), file);
    throw fault;
  }
}

/** A configuration in JSON, as Triton's load call carries it. Throws MODEL_CONFIG_INVALID. */
export function parseJsonConfig(text: string): ModelConfig {
  try {
    const json: unknown = JSON.parse(text);
    const value = listed(json);
    if (typeof value === 'string' || Array.isArray(json)) {
      throw new SyntaxError('an object is expected');
    }
    return configOf(value);
  } catch (fault) {
    if (fault instanceof SyntaxError) throw configFault(fault.message);
    if (fault instanceof z.ZodError) throw configFault(issuesOf(fault));
    throw fault;
  }
}

/** JSON in the form of the text form: every field a list. */
function listed(json: unknown, depth = 0): TextValue {
  if (depth > 50) throw new SyntaxError('it is nested too deeply');
  if (typeof json !== 'object' || json === null) return String(json);
  return Object.fromEntries(
    Object.entries(json).map(([name, value]: [string, unknown]) => [
      name,
      (Array.isArray(value) ? value : [value]).map((one) => listed(one, depth + 1)),
    ]),
  );
}

function configOf(text: TextMessage): ModelConfig {
  const found = schema.parse(text);
  const threads = found.parameters?.find(({ key }) => key === 'intra_op_thread_count');
  return {
    name: found.name,
    maxBatchSize: found.max_batch_size,
    ...batchingOf(found.dynamic_batching),
    instances: found.instance_group?.count,
    threads: positive(Number(threads?.value?.string_value)),
    versions: versionsOf(found.version_policy),
    labels: found.output?.find(({ label_filename: file }) => file)?.label_filename,
    outputs: found.output?.flatMap(({ name }) => name ?? []),
    ignored: Object.keys(text).filter((field) => !known.has(field)),
  };
}

function batchingOf(
  batching: z.infer<typeof schema>['dynamic_batching'],
): Pick<ModelConfig, 'delayMs' | 'maxWaiting' | 'timeoutMs'> {
  const delayUs = batching?.max_queue_delay_microseconds;
  const policy = batching?.default_queue_policy;
  const timeoutUs = positive(policy?.default_timeout_microseconds);
  return {
    delayMs: delayUs === undefined ? undefined : delayUs / 1000,
    maxWaiting: positive(policy?.max_queue_size),
    timeoutMs: timeoutUs === undefined ? undefined : timeoutUs / 1000,
  };
}

/** In these messages, 0 is what is not said. */
function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

function versionsOf(policy: z.infer<typeof schema>['version_policy']): VersionPolicy | undefined {
  if (policy?.all) return { kind: 'all' };
  if (policy?.specific) return { kind: 'specific', versions: policy.specific.versions ?? [] };
  if (policy?.latest) return { kind: 'latest', count: policy.latest.num_versions ?? 1 };
  return undefined;
}

/** What does not fit, in one line, for an answer has one: each with the field that it is in. */
function issuesOf({ issues }: z.ZodError): string {
  return issues.map((issue) => `${issue.path.map(String).join('.')}: ${issue.message}`).join('; ');
}

/** MODEL_CONFIG_INVALID, with why. */
export function configFault(why: string, file?: string): ToolkitError {
  return new ToolkitError('MODEL_CONFIG_INVALID', `The model's configuration is wrong: ${why}`, {
    where: { file },
    hint: 'Correct it, or leave it out: everything in it has a default.',
  });
}
