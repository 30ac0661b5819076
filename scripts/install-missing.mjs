// Installs what the checkout lacks, and nothing when all is there. Needs Node and npm alone.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path) => JSON.parse(readFileSync(`${root}${path}`, 'utf8'));

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Node ${process.versions.node} is too old: graft needs 20.19 or newer.`);
  process.exit(1);
}

const { dependencies, optionalDependencies, devDependencies } = read('package.json');

// Versions that an installation was asked for before (npm ci removes the file): an optional package that this platform
// cannot have is not tried again until another version is wanted.
const record = 'node_modules/.optional-tried.json';
const tried = existsSync(`${root}${record}`) ? read(record) : {};
const isHere = ([name, version]) => {
  const path = `node_modules/${name}/package.json`;
  return existsSync(`${root}${path}`) && read(path).version === version;
};
const missing = [
  ...Object.entries({ ...dependencies, ...devDependencies }).filter((one) => !isHere(one)),
  ...Object.entries(optionalDependencies ?? {}).filter(
    (one) => !isHere(one) && tried[one[0]] !== one[1],
  ),
];

if (missing.length > 0) {
  console.error(`Installing: ${missing.map(([name]) => name).join(', ')}`);
  // onnxruntime-node's install script downloads CUDA libraries, which the CPU does not need and a closed network lacks.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(`${root}${record}`, JSON.stringify(optionalDependencies ?? {}));
}
