import { ToolkitError } from '../errors.ts';

interface Foreign {
  readonly begins: string;
  readonly is: string;
  readonly hint: string;
}

/** What people give in place of an ONNX file, by its first bytes. */
const foreign: readonly Foreign[] = [
  {
    begins: '\x89HDF\r\n\x1a\n',
    is: 'an HDF5 file, such as Keras writes',
    hint: 'Turn it into ONNX first: graft convert FILE.',
  },
  {
    begins: 'version https://git-lfs',
    is: 'a Git LFS pointer, not the file itself',
    hint: 'Run "git lfs pull" in the repository it came from, or download the file itself.',
  },
  {
    begins: '<',
    is: 'a web page (HTML or XML), not the file itself',
    hint: 'The download link led to a page: download the raw file.',
  },
  {
    begins: 'PK\x03\x04',
    is: 'a zip archive',
    hint: 'Unpack it and give the file inside; a .keras archive is turned into ONNX first.',
  },
  {
    begins: '\xff\xd8\xff',
    is: 'a JPEG picture',
    hint: 'The model comes first, then the pictures: graft predict MODEL.onnx cat.jpg.',
  },
  {
    begins: '\x89PNG',
    is: 'a PNG picture',
    hint: 'The model comes first, then the pictures: graft predict MODEL.onnx cat.jpg.',
  },
  {
    begins: 'GIF8',
    is: 'a GIF picture',
    hint: 'The model comes first, then the pictures: graft predict MODEL.onnx cat.jpg.',
  },
];

/** FILE_UNRECOGNISED for a file that is plainly something else than ONNX; `undefined` where that cannot be told. */
export function foreignFault(file: string, head: Uint8Array): ToolkitError | undefined {
  const text = Buffer.from(head).toString('latin1');
  const found = foreign.find(({ begins }) => text.startsWith(begins));
  if (!found) return undefined;
  return new ToolkitError('FILE_UNRECOGNISED', `Expected an ONNX file, but found ${found.is}`, {
    where: { file },
    hint: found.hint,
  });
}
