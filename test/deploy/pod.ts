import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { root } from './containerfile.ts';

const mount = z.object({
  name: z.string(),
  mountPath: z.string(),
  readOnly: z.boolean().optional(),
});
const container = z.object({
  args: z.array(z.string()),
  env: z.array(z.object({ name: z.string() })).default([]),
  readinessProbe: z.object({ httpGet: z.object({ path: z.string() }) }),
  livenessProbe: z.object({ httpGet: z.object({ path: z.string() }) }),
  resources: z.object({ limits: z.object({ memory: z.string() }) }),
  securityContext: z.object({
    runAsUser: z.int().optional(),
    readOnlyRootFilesystem: z.literal(true),
    allowPrivilegeEscalation: z.literal(false),
    capabilities: z.object({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  volumeMounts: z.array(mount),
});
const pod = z.object({
  securityContext: z.object({ runAsUser: z.int(), runAsGroup: z.int() }).optional(),
  containers: z.tuple([container]),
  volumes: z.array(
    z.object({ name: z.string(), emptyDir: z.object({ sizeLimit: z.string() }).optional() }),
  ),
});
const workload = z.union([
  z
    .object({ spec: z.object({ template: z.object({ spec: pod }) }) })
    .transform(({ spec }) => spec.template.spec),
  z.object({ spec: pod }).transform(({ spec }) => spec),
]);

/** The one container of a manifest, as podman is told to run it. */
export interface PodmanPod {
  /** Of `podman run`: the user, what is mounted, what it may do. */
  readonly flags: readonly string[];
  readonly args: readonly string[];
  readonly ports: { readonly http: string; readonly grpc: string };
  /** Paths that must answer with 200. */
  readonly probes: readonly string[];
}

/** Reads the first workload of a file of deploy/. Its models are those of a folder, its secrets all `secret`. */
export function podOf(file: string, about: { models: string; secret: string }): PodmanPod {
  const text = readFileSync(join(root, 'deploy', file), 'utf8');
  const { securityContext, containers, volumes } = workload.parse(
    parseAllDocuments(text)[0]?.toJS(),
  );
  const [{ args, env, securityContext: own, resources, ...rest }] = containers;
  const uid = own.runAsUser ?? securityContext?.runAsUser;
  const sizes = new Map(volumes.map(({ name, emptyDir }) => [name, emptyDir?.sizeLimit]));
  const mounts = rest.volumeMounts.flatMap(({ name, mountPath, readOnly }) => {
    const size = sizes.get(name);
    if (size !== undefined) return ['--tmpfs', `${mountPath}:size=${amount(size)}`];
    return ['-v', `${about.models}:${mountPath}${readOnly === true ? ':ro' : ''}`];
  });
  // KServe mounts there what storageUri names.
  const models = args[0] ?? '';
  if (!mounts.some((flag) => flag.includes(`:${models}:`))) {
    mounts.push('-v', `${about.models}:${models}:ro`);
  }
  return {
    flags: [
      `--user=${uid}:${securityContext?.runAsGroup ?? uid}`,
      '--read-only',
      '--read-only-tmpfs=false',
      '--security-opt=no-new-privileges',
      '--cap-drop=all',
      `--memory=${amount(resources.limits.memory)}`,
      ...env.map(({ name }) => `--env=${name}=${about.secret}`),
      ...mounts,
    ],
    args,
    ports: { http: after(args, '--port'), grpc: after(args, '--grpc-port') },
    probes: [rest.readinessProbe, rest.livenessProbe].map(({ httpGet }) => httpGet.path),
  };
}

const after = (args: readonly string[], option: string): string =>
  args[args.indexOf(option) + 1] ?? '';

/** 4Gi is 4g to podman and to a mount. */
const amount = (quantity: string): string =>
  quantity.replace(/^(\d+)([MG])i$/, '$1$2').toLowerCase();
