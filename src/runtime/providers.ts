import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ToolkitError } from '../errors.ts';

/** What of onnxruntime is installed on this machine. */
export interface Installed {
  /** Providers that its binary knows. */
  readonly backends: readonly string[];
  /** Where its native libraries lie. */
  readonly folder: string;
  readonly version: string;
}

interface ProviderRule {
  /** The provider as onnxruntime wants it spelled. */
  readonly execution: { readonly name: string; readonly preferredLayout?: 'NCHW' };
  /** Why it cannot be had here, or `undefined` where it may be tried. */
  readonly missing: (installed: Installed) => string | undefined;
  /** What brings it, or what it needs. */
  readonly hint: (installed: Pick<Installed, 'version'>) => string;
}

/** What a model can run on, one row a provider. */
const rules = {
  cpu: {
    execution: { name: 'cpu' },
    missing: () => undefined,
    hint: () => 'Every machine with onnxruntime-node has it.',
  },
  cuda: {
    execution: { name: 'cuda' },
    missing({ backends, folder }) {
      if (!backends.includes('cuda')) {
        return `onnxruntime-node has CUDA for Linux x64 only, this is ${process.platform} ${process.arch}`;
      }
      const library = 'libonnxruntime_providers_cuda.so';
      return existsSync(join(folder, library)) ? undefined : `${library} is not in ${folder}`;
    },
    // onnxruntime-node's install.js fetches the libraries when the variable says "true"; it reads "cuda12" as "not set".
    hint: ({ version }) =>
      `An NVIDIA GPU, CUDA 12 and cuDNN 9 are needed. Fetch CUDA for onnxruntime-node ${version} with\n` +
      '    ONNXRUNTIME_NODE_INSTALL=true npm rebuild onnxruntime-node\n' +
      '  and see that CUDA and cuDNN are on LD_LIBRARY_PATH. Or use --provider cpu.',
  },
  webgpu: {
    // onnxruntime's default layout, NHWC, gave wrong convolutions of 6 and 9 input channels on SwiftShader.
    execution: { name: 'webgpu', preferredLayout: 'NCHW' },
    missing({ backends }) {
      return backends.includes('webgpu')
        ? undefined
        : `onnxruntime-node has no WebGPU for ${process.platform} ${process.arch}`;
    },
    hint: () =>
      'A GPU with a Vulkan (Linux), Metal (macOS) or Direct3D 12 (Windows) driver is needed. Or use --provider cpu.',
  },
} satisfies Record<string, ProviderRule>;

/** The name of what a model runs on. */
export type Provider = keyof typeof rules;

/** How each provider is found, asked for and refused. */
export const providers: { readonly [P in Provider]: ProviderRule } = rules;

/** PROVIDER_UNAVAILABLE for a provider that was asked for: why, and how to get it. */
export function unavailable(
  provider: Provider,
  installed: Installed,
  fault: { readonly why: string; readonly file?: string | undefined; readonly cause?: unknown },
): ToolkitError {
  return new ToolkitError(
    'PROVIDER_UNAVAILABLE',
    `The model was to run on "${provider}", which cannot be had: ${fault.why}`,
    {
      where: { file: fault.file },
      hint: providers[provider].hint(installed),
      cause: fault.cause,
    },
  );
}

/** The provider, which JavaScript may have misspelled. Throws OPTION_INVALID. */
export function checkedProvider(provider: Provider): Provider {
  if (Object.hasOwn(providers, provider)) return provider;
  throw new ToolkitError(
    'OPTION_INVALID',
    `There is no provider named ${JSON.stringify(provider)}`,
    {
      hint: `Choose one of: ${Object.keys(providers).join(', ')}.`,
    },
  );
}
