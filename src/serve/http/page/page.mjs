import { takePhotos } from './camera.mjs';
import { byId, element } from './elements.mjs';
import { Live } from './live.mjs';
import { showSummary } from './model.mjs';
import { showPicture, takePictures } from './picture.mjs';
import { showBusy, showFault, showNothing, showOutputs, showResult } from './results.mjs';
import { ask, isFine, modelPath, ServerFault, useKey } from './server.mjs';
import { showTensors, takeRequests } from './tensors.mjs';

const pollMs = 2000;
const classes = 5;
const invitation = 'The best classes of your photo will stand here.';
const noRequest = 'What the model answers will stand here.';

const live = new Live();
/** Models that say of a picture what it shows. */
let classifiers = new Set();
let picture;
let asking = new AbortController();

const chosenModel = () => byId('model').value;

async function classify() {
  if (!picture || !chosenModel()) return;
  const headers = { 'content-type': picture.type || 'application/octet-stream' };
  showBusy();
  await post(`/classify?top=${classes}`, { headers, body: picture }, showResult);
}

async function infer(text) {
  showBusy('Asking the model.');
  const headers = { 'content-type': 'application/json' };
  await post('/infer', { headers, body: text }, showOutputs);
}

async function post(action, request, show) {
  // The answer to an earlier request must not come after this one's.
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const start = performance.now();
  try {
    const result = await ask(modelPath(chosenModel(), action), {
      method: 'POST',
      signal,
      ...request,
    });
    show(result, performance.now() - start);
    void refresh();
  } catch (error) {
    if (error.name === 'AbortError') return;
    report(error);
  }
}

function report(error) {
  if (error instanceof ServerFault && error.status === 401) askForKey();
  showFault(error);
}

function take(file) {
  picture = file;
  showPicture(file);
  void classify();
}

async function chooseModel() {
  const name = chosenModel();
  live.clear();
  sessionStorage.setItem('graft-model', name);
  void refresh();
  try {
    const summary = await ask(modelPath(name, '/summary'));
    if (name !== chosenModel()) return;
    showSummary(summary);
    showTensors(summary);
  } catch (error) {
    byId('summary').replaceChildren(element('p', { className: 'fault' }, error.message));
  }
}

/** Asks for what the model takes: a picture, which may be there already, or numbers. */
function invite() {
  const takesPictures = classifiers.has(chosenModel());
  byId('pictures').hidden = !takesPictures;
  byId('tensors').hidden = takesPictures;
  byId('results-title').textContent = takesPictures ? 'What it shows' : 'What it answers';
  asking.abort();
  if (takesPictures && picture) void classify();
  else showNothing(takesPictures ? invitation : noRequest);
}

/** Names of models, without those that only decode pictures for another one: here the server does that anyway. */
async function askedFor() {
  const { models } = await ask('/v2/models');
  classifiers = new Set(models.filter((name) => models.includes(`${name}_image`)));
  return models.filter((name) => !models.some((other) => name === `${other}_image`));
}

async function listModels() {
  const models = await askedFor();
  const select = byId('model');
  const known = [...select.options].map(({ value }) => value);
  if (known.length === models.length && models.every((name, i) => name === known[i])) return;
  const wanted = chosenModel() || sessionStorage.getItem('graft-model');
  select.replaceChildren(...models.map((name) => element('option', { value: name }, name)));
  select.disabled = models.length === 0;
  if (models.length === 0) {
    showNothing('This server has no model.');
    return;
  }
  select.value = models.includes(wanted)
    ? wanted
    : (models.find((name) => classifiers.has(name)) ?? models[0]);
  invite();
  await chooseModel();
}

const states = { ready: 'Ready', waiting: 'Not ready', away: 'Not reachable', locked: 'Locked' };

function setState(state) {
  const shown = byId('state');
  // Said again only when it changes.
  if (shown.dataset.state === state) return;
  shown.dataset.state = state;
  shown.textContent = states[state];
}

async function refresh() {
  try {
    setState((await isFine('/v2/health/ready')) ? 'ready' : 'waiting');
    await listModels();
    live.show(await ask('/metrics.json'), chosenModel());
  } catch (error) {
    if (error.status !== 401) return setState('away');
    setState('locked');
    askForKey();
  }
}

function askForKey() {
  if (!byId('key-dialog').open) byId('key-dialog').showModal();
}

byId('key-form').addEventListener('submit', () => {
  useKey(byId('key').value);
  byId('key').value = '';
  void refresh().then(classify);
});
byId('model').addEventListener('change', () => {
  invite();
  void chooseModel();
});
takePictures(take);
takeRequests((text) => void infer(text));
takePhotos(take);

async function poll() {
  // Who types a key is not asked for it again meanwhile, and the server not either.
  if (!document.hidden && !byId('key-dialog').open) await refresh();
  setTimeout(() => {
    void poll();
  }, pollMs);
}
showNothing(invitation);
void poll();
