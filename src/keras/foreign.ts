import { ToolkitError } from '../errors.ts';

interface Foreign {
  readonly is: string;
  readonly hint: string;
  readonly fits: (head: Buffer, text: string) => boolean;
}

const saveAsH5 =
  'Open it in the Keras that wrote it, save it with model.save("model.h5"), and convert that file.';

/** What is mistaken for a Keras file, by its first bytes. */
const foreigners: readonly Foreign[] = [
  {
    is: 'a Git LFS pointer, not the file itself',
    hint: 'Run "git lfs pull" in the repository it came from, or download the file itself.',
    fits: (_, text) => text.startsWith('version https://git-lfs'),
  },
  {
    is: 'a web page (HTML), not the file itself',
    hint: 'The download link led to a page: download the raw file.',
    fits: (_, text) => /^\s*(<!doctype html|<html|<head|<\?xml)/i.test(text),
  },
  {
    is: 'a picture',
    hint: 'Give the model itself: the .h5 or .keras file that Keras saved.',
    fits: (_, text) => /^(\xff\xd8\xff|\x89PNG|GIF8|RIFF....WEBP|II\*\0|MM\0\*)/s.test(text),
  },
  {
    is: 'a gzip archive',
    hint: 'Unpack it first and give the .h5 file inside.',
    fits: (head) => head.readUInt16BE(0) === 0x1f8b,
  },
  {
    is: 'JSON: an architecture without weights',
    hint: 'Give the .h5 file with the weights, and this file with --arch.',
    fits: (_, text) => /^\s*\{/.test(text),
  },
  {
    is: 'a NumPy file',
    hint: 'Give the .h5 file that Keras saved.',
    fits: (_, text) => text.startsWith('\x93NUMPY'),
  },
  {
    is: 'a TensorFlow Lite model',
    hint: `TensorFlow Lite models cannot be read back. ${saveAsH5}`,
    fits: (head) => head.toString('latin1', 4, 8) === 'TFL3',
  },
  {
    is: 'a safetensors file',
    hint: 'It holds no architecture of Keras. Give the .h5 or .keras file that Keras saved.',
    fits: (head, text) => head[8] === 0x7b && /"(dtype|__metadata__)"/.test(text),
  },
  {
    is: 'a Python pickle or PyTorch file',
    hint: 'Pickles are never read: they can run code. Give the .h5 file that Keras saved.',
    fits: (head) => head[0] === 0x80 && (head[1] ?? 9) <= 5,
  },
  {
    is: 'an ONNX or other protobuf file (perhaps a TensorFlow SavedModel or frozen graph)',
    hint: `ONNX files need no conversion; TensorFlow graphs are not read. ${saveAsH5}`,
    fits: (head) => head[0] === 0x08 || head[0] === 0x0a,
  },
];

/** FILE_UNRECOGNISED for a file with these first bytes: to be thrown by the caller. */
export function foreignError(file: string, bytes: Buffer): ToolkitError {
  const head = Buffer.concat([bytes, Buffer.alloc(8)]);
  const text = bytes.toString('latin1');
  const known = foreigners.find(({ fits }) => fits(head, text));
  const found = known?.is ?? `a file that begins with ${bytes.subarray(0, 8).toString('hex')}`;
  return new ToolkitError(
    'FILE_UNRECOGNISED',
    `Expected a model file of Keras, but found ${found}`,
    {
      where: { file },
      hint: known?.hint ?? 'Give the .h5 or .keras file that Keras saved.',
    },
  );
}

/** FILE_UNRECOGNISED for a zip archive that is not Keras', by what it holds: to be thrown by the caller. */
export function archiveError(file: string, names: readonly string[]): ToolkitError {
  const known = foreignArchives.find(({ holds }) => names.some((name) => holds.test(name)));
  return new ToolkitError(
    'FILE_UNRECOGNISED',
    `Expected a model file of Keras, but found ${known?.is ?? 'a zip archive'}`,
    {
      where: { file },
      hint:
        known?.hint ??
        `It holds ${names.slice(0, 8).join(', ') || 'nothing'}, but no config.json of Keras. Unpack it and give the model file inside.`,
    },
  );
}

const foreignArchives = [
  {
    is: 'a PyTorch file (zip)',
    hint: 'Models of PyTorch are not read: export them to ONNX with torch.onnx.',
    holds: /(^|\/)data\.pkl$/,
  },
  {
    is: 'a TensorFlow SavedModel in a zip archive',
    hint: saveAsH5,
    holds: /(^|\/)saved_model\.pb$/,
  },
  {
    is: 'a NumPy archive (.npz)',
    hint: 'Give the .h5 or .keras file that Keras saved.',
    holds: /\.npy$/,
  },
] as const;

/** FILE_UNRECOGNISED for a folder that holds no model of Keras: to be thrown by the caller. */
export function folderError(file: string): ToolkitError {
  return new ToolkitError(
    'FILE_UNRECOGNISED',
    'Expected a model file of Keras, but this is a folder without config.json and model.weights.h5',
    {
      where: { file },
      hint: `TensorFlow SavedModel folders are not read. ${saveAsH5}`,
    },
  );
}
