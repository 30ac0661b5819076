import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where a file or folder of the package lies, seen from the sources as well as from the built files; `undefined` where it has none of that name. */
export function packagedPath(...parts: readonly string[]): string | undefined {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'models'))) {
      const path = join(folder, ...parts);
      return existsSync(path) ? path : undefined;
    }
    const above = dirname(folder);
    if (above === folder) return undefined;
    folder = above;
  }
}
