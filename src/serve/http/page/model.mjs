import { byId, bytes, counted, element, facts, numbered, shapeText } from './elements.mjs';

/** What a model is: its ends, its classes, how a picture becomes its input, where it comes from. */
export function showSummary(summary) {
  const { name, version } = summary;
  byId('summary').replaceChildren(
    facts([
      ['Name', version ? `${name}, version ${version}` : name],
      ['Inputs', summary.inputs.map(port)],
      ['Outputs', summary.outputs.map(port)],
      ['Classes', summary.classes === undefined ? undefined : counted(summary.classes)],
      ['Pictures', picturesOf(summary)],
      ['Source', sourceOf(summary.source)],
      ['Parameters', `${counted(summary.parameters)} (${bytes(summary.bytes)})`],
      ['Graph', `${numbered(summary.nodes, 'node')}, opset ${summary.opset}`],
    ]),
    ...tables(summary),
  );
}

function port({ name, datatype, shape }) {
  return element('div', {}, element('code', {}, name), ` ${datatype} ${shapeText(shape)}`);
}

const modes = {
  none: 'pixels as they are, 0 to 255',
  tf: 'scaled to −1 … 1',
  torch: 'scaled to 0 … 1, ImageNet mean and deviation',
  caffe: 'ImageNet mean subtracted, BGR',
};

function picturesOf({ preprocess, no_pictures: none }) {
  if (!preprocess) return none ?? 'This model takes none';
  const { size, resize, color, mode, inGraph } = preprocess;
  const own = inGraph ? `; in the graph: ${inGraph}` : '';
  return `${size[1]} × ${size[0]}, ${resize}, ${color}, ${modes[mode] ?? mode}${own}`;
}

function sourceOf(source) {
  if (!source) return undefined;
  const made = [source.generation, source.version].filter(Boolean).join(' ');
  const hash = element('code', { title: source.sha256 }, `sha256 ${source.sha256.slice(0, 12)}…`);
  const how = element('div', {}, made, made && ' · ', hash);
  return [element('div', {}, source.file), how];
}

function tables({ operators, layers }) {
  const made = [];
  if (layers?.length) {
    const rows = layers.map(({ name, class: kind, shape, parameters }) => [
      name,
      kind,
      shape.map((size) => size ?? 'any').join(' × '),
      counted(
        parameters.reduce((sum, { shape: dims }) => sum + dims.reduce((a, b) => a * b, 1), 0),
      ),
    ]);
    made.push(
      folded(numbered(layers.length, 'layer'), ['Layer', 'Class', 'Output', 'Parameters'], rows),
    );
  }
  const kinds = Object.entries(operators ?? {}).toSorted(([, a], [, b]) => b - a);
  if (kinds.length > 0) {
    const rows = kinds.map(([operator, count]) => [operator, counted(count)]);
    made.push(
      folded(`${numbered(kinds.length, 'kind')} of operators`, ['Operator', 'Nodes'], rows),
    );
  }
  return made;
}

function folded(title, head, rows) {
  const isNumber = (column) => column === head.length - 1;
  const cells = (tag, texts) =>
    texts.map((text, column) =>
      element(tag, { className: isNumber(column) ? 'number' : '' }, text),
    );
  const columns = cells('th', head);
  for (const column of columns) column.scope = 'col';
  const table = element(
    'table',
    {},
    element('thead', {}, element('tr', {}, ...columns)),
    element('tbody', {}, ...rows.map((row) => element('tr', {}, ...cells('td', row)))),
  );
  // A part that scrolls must be reachable by keyboard.
  const scroll = element(
    'div',
    { className: 'scroll', tabIndex: 0, role: 'region', 'aria-label': title },
    table,
  );
  return element('details', {}, element('summary', {}, title), scroll);
}
