import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { pythonMissing, runPython, scriptPath } from '../interop/python.ts';

const deploy = fileURLToPath(new URL('../../deploy', import.meta.url));

const missing = pythonMissing(['kubernetes_validate', 'kserve', 'yaml']);

describe.skipIf(missing)(`the manifests of deploy/${missing}`, { timeout: 60_000 }, () => {
  it('fit the schemas of Kubernetes and of KServe, with no field that these do not know', async () => {
    const printed = await runPython(scriptPath('check_manifests.py'), { args: [deploy] });
    expect(JSON.parse(printed.trim().split('\n').at(-1) ?? '')).toEqual([]);
  });
});

// Its package puts the program beside the Python that it was installed with.
const linter = join(dirname(process.env['GRAFT_PYTHON'] ?? ''), 'hadolint');
const noLinter = existsSync(linter)
  ? ''
  : ' (skipped: no hadolint; pip install -r .ci/requirements.txt, and set GRAFT_PYTHON)';

describe.skipIf(noLinter)(`deploy/Containerfile${noLinter}`, () => {
  it('is as hadolint wants it', () => {
    const { status, stdout } = spawnSync(linter, [join(deploy, 'Containerfile')]);
    expect({ status, said: stdout.toString() }).toEqual({ status: 0, said: '' });
  });
});
