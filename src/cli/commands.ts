import type { Command } from 'commander';

/** A command as the list of commands shows it, and how it is loaded. */
interface Listed {
  /** What it does: the same that the command itself says. */
  readonly about: string;
  readonly examples: readonly string[];
  /** Each loads what it alone needs, such as the servers of `serve`: a conversion starts 0.3 s earlier. */
  readonly load: () => Promise<Command>;
}

/** The commands in the order in which they are listed; none of their modules is loaded for that. */
export const commands: Readonly<Record<string, Listed>> = {
  pull: {
    about: 'Download published weights or labels: cached, resumed, verified.',
    examples: ['graft pull vgg16', 'graft pull keras-resnet50-tf --dir weights'],
    load: async () => (await import('./pull.ts')).pullCommand(),
  },
  convert: {
    about: 'Turn a Keras file into an ONNX file.',
    examples: [
      'graft convert vgg16.h5',
      'graft convert weights.h5 --arch model.json --kernels theano -o model.onnx',
      'graft convert model.keras --verify reference.npz',
    ],
    load: async () => (await import('./convert.ts')).convertCommand(),
  },
  verify: {
    about: 'Run a model on inputs and compare with what Keras put out.',
    examples: [
      'graft verify model.onnx --against input.npy expected.npy',
      'graft verify model.onnx --against reference.npz --layers',
    ],
    load: async () => (await import('./verify.ts')).verifyCommand(),
  },
  inspect: {
    about: 'Print the layers, parameters and memory of a Keras or ONNX file.',
    examples: [
      'graft inspect vgg16.h5',
      'graft inspect model.onnx --batch 32 --train head',
      'graft inspect model.keras --json',
    ],
    load: async () => (await import('./inspect.ts')).inspectCommand(),
  },
  predict: {
    about:
      'Label images: the best classes of each, with their probabilities; or run a model on arrays.',
    examples: [
      'graft predict vgg16.onnx cat.jpg photos/',
      'graft predict model.onnx photos/ --preprocess tf --format jsonl',
      'graft predict model.onnx --data x.npy -o y.npy',
    ],
    load: async () => (await import('./predict.ts')).predictCommand(),
  },
  train: {
    about: 'Fit a new end on images or arrays, then any layer before it, and write one ONNX file.',
    examples: [
      'graft train vgg16.onnx photos/train --valid photos/valid',
      'graft train vgg16.onnx photos --split 0.2 --train head --train conv5:lr=1e-5',
      'graft train model.onnx --data x.npy --targets y.npy --task regression',
    ],
    load: async () => (await import('./train.ts')).trainCommand(),
  },
  show: {
    about: 'Draw images on one sheet, titled with their folders or with predictions.',
    examples: [
      'graft show photos/train --max 32',
      'graft show photos/test --model vgg16.onnx -o sheet.png',
    ],
    load: async () => (await import('./show.ts')).showCommand(),
  },
  serve: {
    about: 'Serve models by the Open Inference Protocol, over HTTP and gRPC.',
    examples: [
      'graft serve vgg16.onnx',
      'graft serve models/ --host 0.0.0.0 --api-key-file keys.txt',
    ],
    load: async () => (await import('./serve.ts')).serveCommand(),
  },
  pack: {
    about: 'Bring a model and its external data into one file (of less than 2 GiB).',
    examples: ['graft pack model.onnx packed.onnx'],
    load: async () => (await import('./pack.ts')).packCommand(),
  },
  unpack: {
    about: 'Move the weights of a model into a file beside it: <output>.data.',
    examples: ['graft unpack model.onnx unpacked.onnx'],
    load: async () => (await import('./pack.ts')).unpackCommand(),
  },
};
