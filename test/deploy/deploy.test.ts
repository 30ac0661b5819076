import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { serveCommand } from '../../src/cli/serve.ts';
import { openapiDocument } from '../../src/serve/http/openapi/document.ts';
import { instructions, root } from './containerfile.ts';

const read = (file: string): string => readFileSync(join(root, 'deploy', file), 'utf8');

function documents(file: string): readonly unknown[] {
  return parseAllDocuments(read(file)).map((document) => {
    expect(document.errors).toEqual([]);
    const value: unknown = document.toJS();
    return value;
  });
}

/** The parts of Kubernetes' and KServe's schemas that our files use; what is not in them is a slip of the pen. */
const metadata = z.strictObject({
  name: z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/),
  labels: z.record(z.string(), z.string()).optional(),
});
const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.string(), port: z.union([z.string(), z.number()]) }),
  periodSeconds: z.int().optional(),
  timeoutSeconds: z.int().optional(),
  failureThreshold: z.int().optional(),
});
const quantities = z.strictObject({ cpu: z.string().optional(), memory: z.string().optional() });
const container = z.strictObject({
  name: z.string(),
  image: z.string(),
  args: z.array(z.string()),
  env: z
    .array(
      z.strictObject({
        name: z.string(),
        valueFrom: z.strictObject({
          secretKeyRef: z.strictObject({ name: z.string(), key: z.string() }),
        }),
      }),
    )
    .optional(),
  ports: z.array(z.strictObject({ name: z.string(), containerPort: z.int() })).optional(),
  startupProbe: probe.optional(),
  readinessProbe: probe,
  livenessProbe: probe,
  resources: z.strictObject({ requests: quantities, limits: quantities }),
  securityContext: z.strictObject({
    runAsNonRoot: z.literal(true).optional(),
    runAsUser: z.int().positive().optional(),
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true).optional(),
    capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  volumeMounts: z
    .array(
      z.strictObject({
        name: z.string(),
        mountPath: z.string(),
        readOnly: z.boolean().optional(),
      }),
    )
    .optional(),
});
const labels = z.record(z.string(), z.string());
const volume = z.union([
  z.strictObject({
    name: z.string(),
    persistentVolumeClaim: z.strictObject({ claimName: z.string(), readOnly: z.boolean() }),
  }),
  z.strictObject({ name: z.string(), emptyDir: z.strictObject({ sizeLimit: z.string() }) }),
]);
const deployment = z.strictObject({
  apiVersion: z.literal('apps/v1'),
  kind: z.literal('Deployment'),
  metadata,
  spec: z.strictObject({
    replicas: z.int().positive(),
    selector: z.strictObject({ matchLabels: labels }),
    strategy: z.strictObject({
      type: z.literal('RollingUpdate'),
      rollingUpdate: z.strictObject({ maxUnavailable: z.int(), maxSurge: z.int() }),
    }),
    template: z.strictObject({
      metadata: z.strictObject({ labels, annotations: labels }),
      spec: z.strictObject({
        automountServiceAccountToken: z.literal(false),
        terminationGracePeriodSeconds: z.int(),
        securityContext: z.strictObject({
          runAsNonRoot: z.literal(true),
          runAsUser: z.int(),
          runAsGroup: z.int(),
          fsGroup: z.int(),
          seccompProfile: z.strictObject({ type: z.literal('RuntimeDefault') }),
        }),
        containers: z.tuple([container]),
        volumes: z.array(volume),
      }),
    }),
  }),
});
const service = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Service'),
  metadata,
  spec: z.strictObject({
    selector: labels,
    ports: z.array(
      z.strictObject({
        name: z.string(),
        port: z.int(),
        targetPort: z.string(),
        appProtocol: z.string().optional(),
      }),
    ),
  }),
});
const runtime = z.strictObject({
  apiVersion: z.literal('serving.kserve.io/v1alpha1'),
  kind: z.literal('ServingRuntime'),
  metadata,
  spec: z.strictObject({
    annotations: labels,
    supportedModelFormats: z.array(
      z.strictObject({
        name: z.literal('onnx'),
        version: z.string(),
        autoSelect: z.boolean(),
        priority: z.int().positive(),
      }),
    ),
    protocolVersions: z.array(z.enum(['v1', 'v2', 'grpc-v1', 'grpc-v2'])),
    // KServe looks for the container of this name.
    containers: z.tuple([container.extend({ name: z.literal('kserve-container') })]),
  }),
});
const inferenceService = z.strictObject({
  apiVersion: z.literal('serving.kserve.io/v1beta1'),
  kind: z.literal('InferenceService'),
  metadata,
  spec: z.strictObject({
    predictor: z.strictObject({
      minReplicas: z.int(),
      model: z.strictObject({
        runtime: z.string(),
        modelFormat: z.strictObject({ name: z.string(), version: z.string() }),
        protocolVersion: z.enum(['v1', 'v2', 'grpc-v1', 'grpc-v2']),
        storageUri: z.string(),
      }),
    }),
  }),
});

const kubernetes = z.tuple([deployment, service]);
const kserve = z.tuple([runtime, inferenceService]);

/** The value behind an option in a container's arguments. */
function option(args: readonly string[], name: string): string | undefined {
  return args[args.indexOf(name) + 1];
}

function pathsOf({
  startupProbe,
  readinessProbe,
  livenessProbe,
}: z.infer<typeof container>): (string | undefined)[] {
  return [startupProbe ?? readinessProbe, readinessProbe, livenessProbe].map(
    ({ httpGet }) => httpGet.path,
  );
}

const { paths } = z
  .object({ paths: z.record(z.string(), z.unknown()) })
  .parse(openapiDocument('1'));
const knownPaths = Object.keys(paths);
const knownOptions = new Set(serveCommand().options.map(({ long }) => long));
const unknownOptions = (args: readonly string[]): readonly string[] =>
  args.filter((arg) => arg.startsWith('--') && !knownOptions.has(arg));

describe('deploy/kubernetes.yaml', () => {
  const [{ spec }, { spec: door }] = kubernetes.parse(documents('kubernetes.yaml'));
  const pod = spec.template.spec;
  const [server] = pod.containers;

  it('selects the pods that it makes', () => {
    expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels);
    expect(door.selector).toEqual(spec.selector.matchLabels);
  });

  it('leads to the ports that the server listens at', () => {
    const ports = new Map(server.ports?.map((port) => [port.name, String(port.containerPort)]));
    expect(ports.get('http')).toBe(option(server.args, '--port'));
    expect(ports.get('grpc')).toBe(option(server.args, '--grpc-port'));
    expect(door.ports.filter(({ targetPort }) => !ports.has(targetPort))).toEqual([]);
    expect(spec.template.metadata.annotations['prometheus.io/port']).toBe(ports.get('http'));
  });

  it('probes paths that there are, and passes options that there are', () => {
    expect(pathsOf(server).filter((path) => !knownPaths.includes(path ?? ''))).toEqual([]);
    expect(unknownOptions(server.args)).toEqual([]);
  });

  it('mounts what it declares, with a place to write private copies', () => {
    const mounted = server.volumeMounts?.map(({ name }) => name);
    expect(pod.volumes.map(({ name }) => name)).toEqual(mounted);
    expect(server.volumeMounts).toContainEqual({ name: 'copies', mountPath: '/tmp' });
  });
});

describe('deploy/kserve.yaml', () => {
  const [{ metadata: about, spec }, model] = kserve.parse(documents('kserve.yaml'));
  const [server] = spec.containers;

  it('listens where KServe asks, HTTP at 8080 and gRPC at 9000', () => {
    expect(option(server.args, '--port')).toBe('8080');
    expect(option(server.args, '--grpc-port')).toBe('9000');
    expect(server.args[0]).toBe('/mnt/models');
    expect(unknownOptions(server.args)).toEqual([]);
    expect(pathsOf(server).filter((path) => !knownPaths.includes(path ?? ''))).toEqual([]);
  });

  it('is the runtime that its model asks for', () => {
    expect(model.spec.predictor.model.runtime).toBe(about.name);
    const { modelFormat, protocolVersion } = model.spec.predictor.model;
    expect(spec.supportedModelFormats).toContainEqual(expect.objectContaining(modelFormat));
    expect(spec.protocolVersions).toContain(protocolVersion);
  });
});

/** What stands behind an instruction of the Containerfile, each time. */
function of(instruction: string): readonly string[] {
  return instructions()
    .filter(({ name }) => name === instruction)
    .map(({ text }) => text);
}

describe('deploy/Containerfile', () => {
  it('has instructions that there are', () => {
    const known =
      /^(ARG|FROM|WORKDIR|ENV|COPY|RUN|USER|VOLUME|EXPOSE|STOPSIGNAL|HEALTHCHECK|ENTRYPOINT|CMD)$/;
    expect(instructions().filter(({ name }) => !known.test(name))).toEqual([]);
  });

  it('copies files that there are, and that the ignore file lets through', () => {
    const allowed = read('Containerfile.dockerignore').split('\n');
    const copied = of('COPY')
      .filter((line) => !line.startsWith('--from'))
      .flatMap((line) => line.split(' ').slice(0, -1));
    expect(copied.length).toBeGreaterThan(5);
    expect(copied.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    const names = copied.map((path) => `!${path.replace('./', '')}`);
    expect(names.filter((name) => !allowed.includes(name))).toEqual([]);
    expect(allowed[0]).toBe('*');
  });

  it('has commands that a shell can read', () => {
    for (const command of of('RUN')) execFileSync('sh', ['-n', '-c', command]);
  });

  it('does not run as root, by number', () => {
    expect(of('USER').at(-1)).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  it('starts the server at the ports that it exposes, with options that there are', () => {
    const args = z.array(z.string()).parse(JSON.parse(of('CMD')[0] ?? ''));
    expect(of('EXPOSE')[0]?.split(' ')).toEqual([
      option(args, '--port'),
      option(args, '--grpc-port'),
    ]);
    expect(unknownOptions(args)).toEqual([]);
    const entry = z.array(z.string()).parse(JSON.parse(of('ENTRYPOINT')[0] ?? ''));
    expect(entry).toEqual(['node', '/app/dist/cli.js', 'serve']);
  });

  it('asks a path that there is for its health, in JavaScript that can be read', () => {
    const json = of('HEALTHCHECK')[0]?.replace(/^.*?CMD /, '') ?? '';
    const [node, flag, script = ''] = z.array(z.string()).parse(JSON.parse(json));
    expect([node, flag]).toEqual(['node', '-e']);
    execFileSync(process.execPath, ['--check', '-'], { input: script });
    const path = /127\.0\.0\.1:8000([^']*)'/.exec(script)?.[1];
    expect(knownPaths).toContain(path);
  });
});
