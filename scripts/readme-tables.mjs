// The table of layers and generations in README.md, made from the rule table (src/convert/layers/index.ts) and from what
// the tests found in files by real Keras (test/results/layers.json). A test fails when README.md is not up to date.
//
//   node scripts/readme-tables.mjs          writes the table
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const generations = ['Keras 0', 'Keras 1', 'Keras 2', 'tf.keras', 'Keras 3'];
const marks = {
  begin: '<!-- layers: made by scripts/readme-tables.mjs -->',
  end: '<!-- end of layers -->',
};

/**
 * README's text with the table as it should be.
 *
 * `classes` are the names of the rule table, `results` says for each generation which classes of its files gave Keras'
 * numbers ("converted") or are refused. Classes that fare alike share a row.
 */
export function withLayerTable(readme, classes, results) {
  const [before, rest] = readme.split(marks.begin);
  const after = rest?.split(marks.end)[1];
  if (after === undefined) throw new Error(`README.md lacks "${marks.begin}" or its end`);
  return `${before}${marks.begin}\n\n${layerTable(classes, results)}\n\n${marks.end}${after}`;
}

function layerTable(classes, results) {
  const found = generations.flatMap((name) => Object.keys(results[name] ?? {}));
  const rows = new Map();
  for (const name of sorted(found)) {
    const cells = generations.map((generation) => cellOf(results[generation]?.[name])).join(' | ');
    rows.set(cells, [...(rows.get(cells) ?? []), name]);
  }
  const unseen = sorted(classes).filter((name) => !found.includes(name));
  return [
    `| layers | ${generations.join(' | ')} |`,
    `| --- |${generations.map(() => ' :-: |').join('')}`,
    ...[...rows]
      .toSorted(([a], [b]) => marksIn(b) - marksIn(a))
      .map(([cells, names]) => `| ${names.join(', ')} | ${cells} |`),
    ...(unseen.length === 0
      ? []
      : ['', `Converted too, though no file of theirs was at hand: ${unseen.join(', ')}.`]),
  ].join('\n');
}

function marksIn(cells) {
  return cells.split('✓').length;
}

function sorted(names) {
  return [...new Set(names)].toSorted((a, b) => a.localeCompare(b, 'en'));
}

function cellOf(result) {
  if (result === undefined) return '';
  return result === 'converted' ? '✓' : result;
}

/** The names of the rule table, out of the sources. */
async function ruleNames() {
  const { module } = await runnerImport(`${root}src/convert/layers/index.ts`, {
    root,
    configFile: false,
  });
  return module.layerNames;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = `${root}README.md`;
  const results = JSON.parse(readFileSync(`${root}test/results/layers.json`, 'utf8'));
  writeFileSync(path, withLayerTable(readFileSync(path, 'utf8'), await ruleNames(), results));
}
