import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the package has a file itself, under `models/`; `undefined` where it has none of that name. */
export function packagedFile(file: string): string | undefined {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'models'))) {
      const path = join(folder, 'models', file);
      return existsSync(path) ? path : undefined;
    }
    const above = dirname(folder);
    if (above === folder) return undefined;
    folder = above;
  }
}
