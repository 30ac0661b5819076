import { byId } from './elements.mjs';

/** Every way a picture comes in: dropped, pasted, chosen. `onPicture` gets the file. */
export function takePictures(onPicture) {
  const drop = byId('drop');
  const file = byId('file');
  for (const id of ['picture', 'choose']) byId(id).addEventListener('click', () => file.click());
  file.addEventListener('change', () => {
    if (file.files.length > 0) onPicture(file.files[0]);
    // So that the same file can be chosen again.
    file.value = '';
  });
  // The whole window takes the drop: a near miss would make the browser leave the page for the picture.
  addEventListener('dragover', (event) => {
    event.preventDefault();
    drop.toggleAttribute('data-over', true);
  });
  addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) drop.toggleAttribute('data-over', false);
  });
  addEventListener('drop', (event) => {
    event.preventDefault();
    drop.toggleAttribute('data-over', false);
    const [dropped] = event.dataTransfer.files;
    if (dropped) onPicture(dropped);
  });
  addEventListener('paste', (event) => {
    const [pasted] = event.clipboardData.files;
    if (pasted) onPicture(pasted);
  });
}

byId('preview').addEventListener('load', () => setShown(true));
byId('preview').addEventListener('error', () => setShown(false));

let shown = '';

/** Shows a picture in place of the invitation. One that the browser cannot draw is shown as nothing. */
export function showPicture(blob) {
  const preview = byId('preview');
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(blob);
  preview.alt = blob.name ? `Your photo, ${blob.name}` : 'Your photo';
  preview.src = shown;
}

function setShown(isShown) {
  byId('preview').hidden = !isShown;
  byId('choose').hidden = !isShown;
  if (isShown) byId('drop').dataset.has = 'picture';
  else delete byId('drop').dataset.has;
  // Without a picture its own text names it.
  if (isShown) byId('picture').setAttribute('aria-label', 'Choose another photo');
  else byId('picture').removeAttribute('aria-label');
}
