import { ToolkitError } from '../errors.ts';
import { listImages } from '../runtime/folder.ts';
import { noteSkipped } from './terminal.ts';

/** The images that the arguments name; files that are none are named on stderr. Throws DATASET_EMPTY, FILE_MISSING. */
export async function imageArguments(paths: readonly string[]): Promise<readonly string[]> {
  const { files, skipped } = await listImages(paths);
  for (const file of skipped) noteSkipped(file);
  if (files.length > 0) return files;
  throw new ToolkitError('DATASET_EMPTY', 'No image was found', {
    where: { file: paths.join(', ') },
    hint: 'Give image files (png, jpg, bmp, gif, webp, tif), or folders that hold some.',
  });
}

/** IMAGE_UNREADABLE for images of which not one could be read. */
export function noneReadable(paths: readonly string[]): ToolkitError {
  return new ToolkitError('IMAGE_UNREADABLE', 'None of the images can be read', {
    where: { file: paths.join(', ') },
    hint: 'The lines above say why each was skipped.',
  });
}
