// Reads vitest's JSON report: writes "passed failed skipped" to a file, names what was skipped, and fails when
// something was skipped that was only not installed. Skipped may be what needs the collection of real Keras files.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [report, counts] = process.argv.slice(2);
const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));

// What is skipped in one process and run in another, which has the driver that it needs, is no skip.
const runsItself = (tests) =>
  tests.some(({ title, status }) => status === 'passed' && / on SwiftShader/.test(title));
const skipped = testResults
  .filter(({ assertionResults }) => !runsItself(assertionResults))
  .flatMap(({ name: file, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status !== 'passed' && status !== 'failed')
      .map(({ fullName }) => ({ file, fullName })),
  );
const lacksCollection = !existsSync(`${root}../shared`);
const isAllowed = ({ file }) =>
  lacksCollection && /from '[./]+\/shared\.ts'/.test(readFileSync(file, 'utf8'));

const refused = skipped.filter((test) => !isAllowed(test));
for (const test of skipped) {
  const verdict = refused.includes(test) ? 'SKIPPED, which it must not be' : 'skipped';
  console.log(`${verdict}: ${relative(root, test.file)}: ${test.fullName}`);
}
// A file that fails to load has no tests at all: it is a failure of the step `tests`.
for (const { name, status, assertionResults, message } of testResults) {
  if (status === 'failed' && assertionResults.length === 0) console.log(`${name}: ${message}`);
}
writeFileSync(counts, `${numPassedTests} ${numFailedTests} ${skipped.length}\n`);
process.exitCode = refused.length > 0 ? 1 : 0;
